import { encodeHeader, readHeader, readSectionTable, type SectionEntry, writeSectionTable } from "@s7l/format";
import { beforeAll, describe, expect, test } from "vitest";
import { findingOf, opened } from "../../test/finding.ts";
import { sealTiny } from "../../test/seal-tiny.ts";
import type { Envelope } from "../envelope.ts";
import {
  ascendingNames,
  canonicalHeader,
  canonicalMetadata,
  canonicalPlaces,
  canonicalTable,
  zeroPadding,
} from "./v0-canonical-order.ts";
import { legalProgram } from "./v1-fold-legality.ts";

let artifact: Uint8Array;
let envelope: Envelope;

beforeAll(async () => {
  artifact = await sealTiny("dense");
  ({ envelope } = await opened(artifact));
});

describe("the header", () => {
  test("claims the size that the file has, else it was cut short or appended to", () => {
    const { header } = envelope;
    const bytes = artifact.subarray(0, 256);
    const judge = (size: number) => () => canonicalHeader(bytes, header, size);
    expect(judge(artifact.length)).not.toThrow();
    expect(judge(artifact.length - 1)).toThrow("cut short");
    expect(judge(artifact.length + 1)).toThrow("appended");
    expect(findingOf(judge(0))).toBe("file-size header.fileSize");
  });

  test.each([36, 39, 144, 223])("has nothing in its reserved byte %i", (at) => {
    const bytes = encodeHeader(readHeader(artifact.subarray(0, 256)));
    bytes[at] = 1;
    expect(findingOf(() => canonicalHeader(bytes, envelope.header, artifact.length))).toBe(
      `reserved-byte header+${at}`,
    );
  });
});

describe("the table", () => {
  const tableBytes = (): Uint8Array => artifact.slice(256, 256 + 64 * envelope.header.sectionCount);
  const judge = (bytes: Uint8Array, size = artifact.length): string => {
    const entries = readSectionTable(bytes);
    return findingOf(() => canonicalTable(bytes, entries, envelope.table, { ...envelope.header, fileSize: size }));
  };
  const changed = (index: number, change: (entry: SectionEntry) => Partial<SectionEntry>): Uint8Array =>
    writeSectionTable(
      readSectionTable(tableBytes()).map((entry, i) => (i === index ? { ...entry, ...change(entry) } : entry)),
    );

  test("lies as the layout says", () => {
    expect(judge(tableBytes())).toBe("nothing");
    expect(judge(tableBytes(), artifact.length + 32)).toBe("section-place DATA");
  });

  test("ascends from its first entry to its last", () => {
    const last = envelope.header.sectionCount - 1;
    for (const index of [1, last]) {
      const before = readSectionTable(tableBytes())[index - 1]?.type ?? 0;
      for (const type of [before, before - 1])
        expect(judge(changed(index, () => ({ type })))).toBe(`section-order table[${index}]`);
    }
  });

  test("has nothing in a reserved byte of any entry", () => {
    for (let entry = 0; entry < envelope.header.sectionCount; entry++) {
      const bytes = tableBytes();
      bytes[64 * entry + 3] = 1;
      expect(judge(bytes)).toBe(`reserved-byte table[${entry}]`);
    }
  });

  test("puts each section where those before it leave it", () => {
    for (const [index, name] of [...envelope.table.keys()].entries())
      for (const shift of [32, -32])
        expect(judge(changed(index, ({ offset }) => ({ offset: offset + shift })))).toBe(`section-place ${name}`);
  });
});

describe("what lies between and inside of sections", () => {
  test("is zero, or named by its place in the file", () => {
    expect(findingOf(() => zeroPadding(new Uint8Array(0), 100))).toBe("nothing");
    expect(findingOf(() => zeroPadding(new Uint8Array(9), 100))).toBe("nothing");
    expect(findingOf(() => zeroPadding(Uint8Array.of(1, 0), 100))).toBe("padding byte 100");
    expect(findingOf(() => zeroPadding(Uint8Array.of(0, 0, 5), 100))).toBe("padding byte 102");
  });

  test("is decoded, but for the gate", () => {
    const values = canonicalMetadata(envelope);
    expect([...values.keys()]).toEqual([...envelope.sections.keys()].filter((name) => name !== "STX"));
    const sections = new Map(envelope.sections).set("PROV", Uint8Array.of(0xc0));
    expect(findingOf(() => canonicalMetadata({ ...envelope, sections }))).toBe("canonical PROV+1");
  });
});

describe("tensors", () => {
  test("ascend by name", () => {
    const { tensors } = legalProgram(envelope, canonicalMetadata(envelope));
    const [first, second] = tensors;
    if (!first || !second) throw new Error("too few tensors");
    expect(findingOf(() => ascendingNames(tensors))).toBe("nothing");
    expect(findingOf(() => ascendingNames([]))).toBe("nothing");
    expect(findingOf(() => ascendingNames([first, first]))).toBe(`tensor-order ${first.name}`);
    expect(findingOf(() => ascendingNames([second, first]))).toBe(`tensor-order ${first.name}`);
    expect(
      findingOf(() =>
        ascendingNames([
          { ...first, name: "a10" },
          { ...first, name: "a9" },
        ]),
      ),
    ).toBe("nothing");
  });

  test("lie where their shapes put them", () => {
    const { tensors, layout } = legalProgram(envelope, canonicalMetadata(envelope));
    expect(findingOf(() => canonicalPlaces(tensors, layout))).toBe("nothing");
    for (const [index, tensor] of tensors.entries())
      for (const change of [{ offset: tensor.offset + 32 }, { length: tensor.length + 32 }, { length: 0 }]) {
        const moved = tensors.map((it, i) => (i === index ? { ...it, ...change } : it));
        expect(findingOf(() => canonicalPlaces(moved, layout))).toBe(`tensor-place ${tensor.name}`);
      }
  });
});

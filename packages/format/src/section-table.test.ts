import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "./hash.ts";
import {
  readSectionTable,
  type SectionEntry,
  sectionDigest,
  startSectionDigest,
  strayTableEntry,
  tableDigest,
  writeSectionTable,
} from "./section-table.ts";

const entry: fc.Arbitrary<SectionEntry> = fc.record({
  type: fc.integer({ min: 0, max: 0xffff }),
  lane: fc.integer({ min: 0, max: 0xff }),
  offset: fc.maxSafeNat(),
  size: fc.maxSafeNat(),
  digest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
});

const one: SectionEntry = { type: 7, lane: 5, offset: 0x100, size: 0x0203, digest: new Uint8Array(32).fill(0xdd) };

describe("the section table", () => {
  test("is read as it was written", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
        const bytes = writeSectionTable(entries);
        expect(bytes).toHaveLength(64 * entries.length);
        expect(readSectionTable(bytes)).toEqual(entries);
        expect(strayTableEntry(bytes)).toBe(-1);
      }),
    );
  });

  test("lies in the file as docs/format.md says", () => {
    expect(toHex(writeSectionTable([one]))).toBe(
      `0700050000000000${"0001000000000000"}${"0302000000000000"}${"00".repeat(8)}${"dd".repeat(32)}`,
    );
  });

  test.each([3, 4, 5, 6, 7, 24, 31])("names the entry whose reserved byte %d is set", (at) => {
    const bytes = writeSectionTable([one, one]);
    bytes[64 + at] = 1;
    expect(strayTableEntry(bytes)).toBe(1);
  });

  test("refuses a torn entry", () => {
    expect(() => readSectionTable(new Uint8Array(65))).toThrow(
      expect.objectContaining({ code: "header", at: "table" }),
    );
  });

  test("has a digest that counts its entries", () => {
    const table = writeSectionTable([one, one]);
    const defined = createHash("sha256")
      .update(Uint8Array.of(5, 2, 0, 0, 0))
      .update(table);
    expect(toHex(tableDigest(table))).toBe(defined.digest("hex"));
    expect(tableDigest(table)).not.toEqual(tableDigest(table.subarray(64)));
  });
});

describe("a section's digest", () => {
  const content = new TextEncoder().encode("content");

  test("holds its type, its lane, its size and its bytes", () => {
    const digest = toHex(sectionDigest({ type: 7, lane: 5 }, content));
    const defined = createHash("sha256")
      .update(Uint8Array.of(4, 7, 0, 5, 7, 0, 0, 0, 0, 0, 0, 0))
      .update(content);
    expect(digest).toBe(defined.digest("hex"));
    expect(toHex(sectionDigest({ type: 8, lane: 5 }, content))).not.toBe(digest);
    expect(toHex(sectionDigest({ type: 7, lane: 4 }, content))).not.toBe(digest);
    expect(toHex(sectionDigest({ type: 7, lane: 5 }, content.subarray(1)))).not.toBe(digest);
  });

  test("is the same when its bytes come piece by piece", () => {
    const running = startSectionDigest({ type: 7, lane: 5, size: content.length });
    for (const byte of content) running.update(Uint8Array.of(byte));
    expect(running.digest()).toEqual(sectionDigest({ type: 7, lane: 5 }, content));
  });
});

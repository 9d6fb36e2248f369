import { tinyFold, tinyLexical } from "@s7l/fixtures";
import {
  encodeHeader,
  type Fold,
  type Header,
  type LexicalTable,
  MAX_CONTEXT,
  readHeader,
  SECTION_NAMES,
  SECTIONS,
  type SectionEntry,
  type SectionName,
  type Value,
} from "@s7l/format";
import { beforeAll, describe, expect, test } from "vitest";
import { findingOf, opened } from "../../test/finding.ts";
import { sealTiny } from "../../test/seal-tiny.ts";
import type { Envelope, SmallSection } from "../envelope.ts";
import {
  knownHeader,
  legalProgram,
  plannedCounts,
  plannedTensors,
  requiredSections,
  sectionLimits,
} from "./v1-fold-legality.ts";

let artifact: Uint8Array;
let envelope: Envelope;
let values: ReadonlyMap<SmallSection, Value>;
let routed: { readonly envelope: Envelope; readonly values: ReadonlyMap<SmallSection, Value> };

beforeAll(async () => {
  artifact = await sealTiny("experts");
  ({ envelope, values } = await opened(artifact));
  routed = await opened(await sealTiny("routed"));
});

describe("a header", () => {
  const judge = (change: Partial<Header>): string => {
    const bytes = encodeHeader({ ...readHeader(artifact.subarray(0, 256)), ...change });
    return findingOf(() => knownHeader(bytes, () => readHeader(bytes)));
  };

  test.each<[string, readonly Partial<Header>[]]>([
    ["magic", [{ magic: new Uint8Array(4) }]],
    ["version", [{ version: 2 }, { version: 4 }]],
    ["class", [{ class: 0 }, { class: 3 }, { class: 255 }]],
    ["flags", [{ flags: 0 }, { flags: 255 }]],
    ["headerSize", [{ headerSize: 255 }, { headerSize: 257 }]],
    ["hash", [{ hash: 0 }, { hash: 2 }]],
    ["chunkLog2", [{ chunkLog2: 15 }, { chunkLog2: 25 }]],
    ["alignment", [{ alignment: 31 }, { alignment: 64 }]],
    ["sectionCount", [{ sectionCount: 0 }, { sectionCount: 65 }]],
    ["tensorCount", [{ tensorCount: 0 }, { tensorCount: 2 ** 20 + 1, leafCount: 2 ** 21 }]],
    ["componentCount", [{ componentCount: 0 }, { componentCount: 2 ** 16 + 1 }]],
    ["leafCount", [{ tensorCount: 9, leafCount: 8 }]],
  ])("is refused for its %s, and says so", (field, changes) => {
    for (const change of changes) expect(judge(change)).toMatch(new RegExp(`^\\S+ header\\.${field}$`));
  });

  test.each<[Partial<Header>]>([
    [{}],
    [{ chunkLog2: 16 }],
    [{ chunkLog2: 24 }],
    [{ sectionCount: 1 }],
    [{ sectionCount: 64 }],
    [{ tensorCount: 1, leafCount: 1 }],
    [{ tensorCount: 2 ** 20, leafCount: 2 ** 20 }],
    [{ componentCount: 1 }],
    [{ componentCount: 2 ** 16 }],
  ])("may have %j", (change) => {
    expect(judge(change)).toBe("nothing");
  });

  test("of one kind has that kind's flags, and no others", () => {
    const { class: kind, flags } = readHeader(artifact.subarray(0, 256));
    const dense = kind === 1 ? 2 : 1;
    const fitting = Array.from({ length: 256 }, (_, it) => it).filter(
      (it) => judge({ class: dense, flags: it }) === "nothing",
    );
    expect(fitting).toHaveLength(1);
    expect(fitting[0]).not.toBe(flags);
    expect((fitting[0] ?? 0) & flags).toBe(fitting[0]);
  });
});

describe("a table of sections", () => {
  const entry = (name: SectionName, change: Partial<SectionEntry> = {}) =>
    [name, { ...SECTIONS[name], offset: 1024, size: 32, digest: new Uint8Array(32), ...change }] as const;

  test("has every section but the routing table", () => {
    for (const missing of SECTION_NAMES) {
      const table = new Map(SECTION_NAMES.filter((name) => name !== missing).map((name) => entry(name)));
      expect(findingOf(() => requiredSections(table))).toBe(
        missing === "ROUTE" ? "nothing" : `section-missing ${missing}`,
      );
    }
  });

  test.each<[string, Partial<SectionEntry>, string]>([
    ["up to the file's end", { size: 1024 }, "nothing"],
    ["a byte past it", { size: 1025 }, "limit META"],
    ["at the file's end", { offset: 2048, size: 1 }, "limit META"],
    ["longer than the file", { offset: 0, size: 2049 }, "limit META"],
    ["as long as the file", { offset: 0, size: 2048 }, "nothing"],
    ["empty", { size: 0 }, "limit META"],
    ["one byte", { size: 1 }, "nothing"],
  ])("may hold sections within the file: %s", (_, change, finding) => {
    expect(findingOf(() => sectionLimits(new Map([entry("META", change)]), 2048))).toBe(finding);
  });

  test("holds each section to its own limit", () => {
    for (const name of SECTION_NAMES) {
      const { limit } = SECTIONS[name];
      if (limit > 2 ** 50) continue;
      const judge = (size: number): string =>
        findingOf(() => sectionLimits(new Map([entry(name, { size })]), Number.MAX_SAFE_INTEGER));
      expect([judge(limit), judge(limit + 1)]).toEqual(["nothing", `limit ${name}`]);
    }
  });
});

describe("a program", () => {
  const judge = (name: SmallSection, change: object, from = { envelope, values }): string => {
    const changed = new Map(from.values);
    changed.set(name, { ...Object(changed.get(name)), ...change });
    return findingOf(() => legalProgram(from.envelope, changed));
  };

  test("may keep as many positions as its fold has, and no more", () => {
    const { context } = tinyFold("experts");
    expect(judge("POLICY", { maxContext: context })).toBe("nothing");
    expect(judge("POLICY", { maxContext: 1 })).toBe("nothing");
    expect(judge("POLICY", { maxContext: context + 1 })).toBe("policy POLICY.maxContext");
    expect(judge("POLICY", { maxContext: MAX_CONTEXT })).toBe("policy POLICY.maxContext");
    expect(judge("POLICY", { maxContext: MAX_CONTEXT + 1 })).toBe("schema POLICY.maxContext");
    expect(judge("POLICY", { maxContext: 0 })).toBe("schema POLICY.maxContext");
  });

  test("has special tokens of its own vocabulary", () => {
    const { vocab } = tinyFold("experts");
    for (const [change, finding] of [
      [{ eos: [], bos: 0 }, "nothing"],
      [{ eos: [0, vocab - 1], bos: vocab - 1 }, "nothing"],
      [{ eos: [0, vocab] }, "vocabulary VOCAB"],
      [{ eos: [0], bos: vocab }, "vocabulary VOCAB"],
      [{ eos: [], bos: 2 ** 40 }, "vocabulary VOCAB"],
    ] as const)
      expect(judge("VOCAB", change)).toBe(finding);
  });

  test("has one vocabulary at most, and in a vocab.json each token and each id once", () => {
    const utf8 = (text: string) => new TextEncoder().encode(text);
    for (const [change, finding] of [
      [{ vocab: utf8('{"b": 0, "a": 1}') }, "nothing"],
      [{ vocab: utf8('{"a": 0, "a": 1}') }, "vocabulary VOCAB.vocab"],
      [{ vocab: utf8('{"a": 0, "b": 0}') }, "vocabulary VOCAB.vocab"],
      [{ vocab: utf8("no JSON") }, "vocabulary VOCAB.vocab"],
      [{ tokenizer: utf8("{}") }, "vocabulary VOCAB.vocab"],
    ] as const)
      expect(judge("VOCAB", change)).toBe(finding);
    const alone = new Map(values).set("VOCAB", { eos: [1], tokenizer: utf8("no JSON: the runtime's to read") });
    expect(findingOf(() => legalProgram(envelope, alone))).toBe("nothing");
  });

  test("says in one way that something is absent", () => {
    expect(judge("VOCAB", { chatTemplate: "" })).toBe("schema VOCAB.chatTemplate");
    expect(judge("VOCAB", { chatTemplate: " " })).toBe("nothing");
    expect(judge("POLICY", { licence: "" })).toBe("schema POLICY.licence");
  });

  test("names each trigger of a domain once", () => {
    const [first, ...others] = tinyLexical.domains;
    if (!first) throw new Error("no domain");
    const route = (triggers: readonly string[]): string =>
      judge("ROUTE", { ...tinyLexical, domains: [...others, { ...first, triggers }] }, routed);
    expect(route(["a", "b", "A"])).toBe("nothing");
    expect(route(["a", "b", "a"])).toBe(`routing ROUTE.domains[${others.length}]`);
    expect(judge("ROUTE", { ...tinyLexical, domains: [first, { ...first, name: "again" }] }, routed)).toBe("nothing");
  });

  test("routes exactly where its fold has a routed stage, to experts that it has", () => {
    const route = (lexical: Partial<LexicalTable>): string => judge("ROUTE", { ...tinyLexical, ...lexical }, routed);
    const to = (expert: number) => ({ name: "x", expert, triggers: [], caseInsensitive: 0 as const });
    const { experts } = routedStage();
    expect(route({})).toBe("nothing");
    expect(route({ domains: [], fallback: { name: "x", expert: experts - 1 } })).toBe("nothing");
    expect(route({ fallback: { name: "x", expert: experts } })).toBe("routing ROUTE");
    expect(route({ domains: [to(0), to(experts)] })).toBe("routing ROUTE");
    expect(judge("ROUTE", tinyLexical)).toBe("routing ROUTE");
    const without = new Map(routed.values);
    without.delete("ROUTE");
    expect(findingOf(() => legalProgram(routed.envelope, without))).toBe("section-missing ROUTE");
  });

  function routedStage(): Extract<Fold["stages"][number], { kind: "routed" }> {
    const stage = tinyFold("routed").stages.find((it) => it.kind === "routed");
    if (!stage) throw new Error("no routed stage");
    return stage;
  }

  test("is of the class that its components say", () => {
    const dense = { ...envelope, header: { ...envelope.header, class: 3 - envelope.header.class } };
    expect(findingOf(() => legalProgram(dense, values))).toBe("header header.class");
  });

  test.each(["FOLD", "VOCAB", "POLICY", "TINDEX"] as const)("is not there without %s", (name) => {
    const without = new Map(values);
    without.delete(name);
    expect(findingOf(() => legalProgram(envelope, without))).toBe(`section-missing ${name}`);
  });

  test.each(["FOLD", "VOCAB", "POLICY", "ROUTE", "TINDEX"] as const)("is refused with a number for %s", (name) => {
    const changed = new Map(values).set(name, 5);
    expect(findingOf(() => legalProgram(envelope, changed))).toBe(`schema ${name}`);
  });
});

describe("a program's tensors", () => {
  test("are the plan's, each of its dtype and shape, and no others", () => {
    const program = legalProgram(envelope, values);
    const { tensors } = program;
    const [first, second] = tensors;
    const last = tensors.at(-1);
    if (!first || !second || !last) throw new Error("too few tensors");
    const judge = (...changed: typeof tensors): string =>
      findingOf(() => plannedTensors({ ...program, tensors: changed }));
    const rest = tensors.slice(1);
    expect(judge(...tensors)).toBe("nothing");
    expect(judge(...rest)).toBe(`tensor-plan ${first.name}`);
    expect(judge(first, ...tensors.slice(2))).toBe(`tensor-plan ${second.name}`);
    expect(judge(...tensors.slice(0, -1))).toBe(`tensor-plan ${last.name}`);
    expect(judge()).toBe(`tensor-plan ${first.name}`);
    expect(judge({ ...first, name: "A" }, ...tensors)).toBe("tensor-plan A");
    expect(judge(...tensors, { ...last, name: "zzz" })).toBe("tensor-plan zzz");
    expect(judge({ ...first, dtype: "f32" }, ...rest)).toBe(`tensor-plan ${first.name}`);
    for (const shape of [[...first.shape, 1], first.shape.slice(1), first.shape.map((dim) => dim + 1), [1, 1]])
      expect(judge({ ...first, shape }, ...rest)).toBe(`tensor-plan ${first.name}`);
    const [rows = 0, columns = 0] = first.shape;
    expect(judge({ ...first, shape: [rows, columns + 1] }, ...rest)).toBe(`tensor-plan ${first.name}`);
  });

  test("are counted in the header, TREE and DATA", () => {
    const program = legalProgram(envelope, values);
    const resized = (name: "TREE" | "DATA"): Envelope => {
      const table = new Map(envelope.table);
      const entry = table.get(name);
      if (entry) table.set(name, { ...entry, size: entry.size + 32 });
      return { ...envelope, table };
    };
    const counting = (change: Partial<Header>): Envelope => ({
      ...envelope,
      header: { ...envelope.header, ...change },
    });
    const { tensorCount, componentCount, leafCount } = envelope.header;
    expect(findingOf(() => plannedCounts(envelope, program))).toBe("nothing");
    for (const [changed, at, what] of [
      [counting({ tensorCount: tensorCount - 1 }), "header.tensorCount", "tensors"],
      [counting({ componentCount: componentCount + 1 }), "header.componentCount", "components"],
      [counting({ leafCount: leafCount + 1 }), "header.leafCount", "leaves"],
      [resized("TREE"), "TREE", "bytes"],
      [resized("DATA"), "DATA", "bytes"],
    ] as const) {
      expect(findingOf(() => plannedCounts(changed, program))).toBe(`header ${at}`);
      expect(() => plannedCounts(changed, program)).toThrow(new RegExp(`^${at} says \\d+ ${what}; the fold has`));
    }
  });
});

import type { Component, TensorRecord, Value } from "@s7l/format";
import { beforeAll, describe, expect, test } from "vitest";
import { findingOf, opened } from "../../test/finding.ts";
import { sealTiny } from "../../test/seal-tiny.ts";
import type { Envelope } from "../envelope.ts";
import { legalProgram, type Program } from "./v1-fold-legality.ts";
import { provenTensors, recomputedComponents } from "./v3-compute-mediation.ts";

let envelope: Envelope;
let program: Program;
let comp: Value;
let prov: Value;

beforeAll(async () => {
  const { envelope: read, values } = await opened(await sealTiny("experts"));
  envelope = read;
  program = legalProgram(envelope, values);
  comp = values.get("COMP") ?? [];
  prov = values.get("PROV") ?? [];
});

/** A list of records with one of them changed. */
const changed = (value: Value, index: number, change: object): Value =>
  Array.from(value as Iterable<object>, (item, i) => (i === index ? { ...item, ...change } : item)) as Value;
const less = (value: Value): Value => Array.from(value as Iterable<Value>).slice(0, -1);
const more = (value: Value): Value => [
  ...(value as Iterable<Value>),
  ...Array.from(value as Iterable<Value>).slice(-1),
];

describe("components", () => {
  const judge = (
    value: Value,
    tensors: readonly TensorRecord[] = program.tensors,
    front: Envelope = envelope,
  ): string => findingOf(() => recomputedComponents(front, value, { ...program, tensors }));

  test("recompute from the records of their tensors", () => {
    expect(judge(comp)).toBe("nothing");
    const components = recomputedComponents(envelope, comp, program);
    for (const [i, { name }] of components.entries()) {
      expect(judge(changed(comp, i, { name: "stranger" }))).toBe(`component COMP[${i}]`);
      for (const change of [{ tensors: 99 }, { size: 1 }, { root: new Uint8Array(32) }] satisfies Partial<Component>[])
        expect(judge(changed(comp, i, change))).toBe(`component ${name}`);
    }
  });

  test("are as many as the fold has", () => {
    expect(judge(less(comp))).toBe(`component COMP[${program.layout.components.length - 1}]`);
    expect(judge(more(comp))).toBe("component COMP");
    expect(judge(5)).toBe("schema COMP");
  });

  test("have each tensor in its own one", () => {
    for (const [i, { name, component }] of program.tensors.entries()) {
      const moved = program.tensors.map((it, k) => (k === i ? { ...it, component: component + 1 } : it));
      expect(judge(comp, moved)).toBe(`component ${name}`);
    }
  });

  test("lead to the data root, in the header and in the table", () => {
    const { header, table } = envelope;
    const stranger = new Uint8Array(32);
    expect(judge(comp, program.tensors, { ...envelope, header: { ...header, dataRoot: stranger } })).toBe(
      "data-root header.dataRoot",
    );
    const data = table.get("DATA");
    if (!data) throw new Error("no DATA");
    const other = new Map(table).set("DATA", { ...data, digest: stranger });
    expect(judge(comp, program.tensors, { ...envelope, table: other })).toBe("data-root DATA");
  });
});

describe("provenance", () => {
  const judge = (value: Value): string => findingOf(() => provenTensors(value, program.layout));

  test("is one record a tensor", () => {
    expect(judge(prov)).toBe("nothing");
    expect(judge(less(prov))).toBe("provenance PROV");
    expect(judge(more(prov))).toBe("provenance PROV");
    expect(judge(5)).toBe("schema PROV");
  });

  test("is of a method that gives the tensor's dtype", () => {
    const methods = { i8: ["per_row_int8"], i8x2: ["two_plane_int8"], f32: ["copy", "derive"], u64: ["derive"] };
    const dtypes = new Set<string>();
    for (const [i, { name, dtype }] of program.layout.tensors.entries()) {
      dtypes.add(dtype);
      for (const method of ["per_row_int8", "two_plane_int8", "copy", "derive"])
        expect(judge(changed(prov, i, { method }))).toBe(
          methods[dtype].includes(method) ? "nothing" : `provenance ${name}`,
        );
    }
    expect(dtypes.size).toBe(4);
  });
});

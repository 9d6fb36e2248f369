import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeCanonical, encodeCanonical } from "./canonical.ts";
import { FormatError } from "./errors.ts";
import { foldSchema } from "./fold/fold.ts";
import { tensorPlan } from "./fold/tensor-plan.ts";
import { readGate } from "./gate.ts";
import { readHeader, rootOfHeader, strayHeaderByte } from "./header.ts";
import { inclusionProof, merkleRoot, rootFromProof, splitLeaves } from "./merkle.ts";
import type { Value } from "./schema.ts";
import { readSectionTable, strayTableEntry, tableDigest } from "./section-table.ts";
import { SECTIONS } from "./sections.ts";

/** Runs what may only end in a value or a FormatError; gives whether it ended in a value. */
function typed(act: () => unknown): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

const value: fc.Arbitrary<Value> = fc.letrec<{ any: Value }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Value>(0, 1, 2 ** 53 - 1, -1, "", "rms", "layer", "qkv", "x"),
    fc.string({ maxLength: 8 }),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie("any"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom("name", "kind", "fold", "version", "ids", "digest", "eos", "x"), tie("any")),
  ),
})).any;

describe("any bytes", () => {
  test("are a header, a table, a gate, leaves, or a typed error", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      // With u64s below 2^53, as few random ones are.
      fc.uint8Array({ minLength: 256, maxLength: 256 }).map((it) => it.map((byte, i) => (i % 8 > 5 ? 0 : byte))),
      fc.uint8Array({ minLength: 96, maxLength: 96 }),
      fc.integer({ min: 0, max: 8 }).chain((n) => fc.uint8Array({ minLength: 64 * n, maxLength: 64 * n })),
    );
    const read = { header: 0, table: 0, gate: 0, leaves: 0 };
    fc.assert(
      fc.property(bytes, (given) => {
        if (typed(() => readHeader(given))) read.header++;
        if (typed(() => readSectionTable(given))) read.table++;
        if (typed(() => readGate(given))) read.gate++;
        if (typed(() => splitLeaves(given))) read.leaves++;
        for (const act of [rootOfHeader, strayHeaderByte, strayTableEntry, tableDigest]) typed(() => act(given));
      }),
      { numRuns: 3000, seed: 2 },
    );
    // Each was read some time: a reader that refuses everything would pass as well.
    expect(Object.values(read).filter((n) => n === 0)).toEqual([]);
  });

  test("after a valid value are refused, and so is any other spelling of it", () => {
    fc.assert(
      fc.property(value, fc.uint8Array({ minLength: 1, maxLength: 9 }), (given, tail) => {
        const bytes = encodeCanonical(given);
        expect(typed(() => decodeCanonical(Uint8Array.of(...bytes, ...tail), "x"))).toBe(false);
        for (const head of [0xd9, 0xcc, 0xdc, 0xde, 0xc4])
          typed(() => encodeCanonical(decodeCanonical(Uint8Array.of(head, ...bytes), "x")));
      }),
      { numRuns: 1000, seed: 4 },
    );
  });
});

describe("any value", () => {
  test.each(
    Object.entries(SECTIONS).flatMap(([name, section]) => ("schema" in section ? [[name, section] as const] : [])),
  )("is what section %s holds, or a typed error", (name, section) => {
    fc.assert(
      fc.property(value, (given) => {
        typed(() => section.schema.parse(given, name));
      }),
      { numRuns: 300, seed: 6 },
    );
  });

  test("in place of any part of a fold is a fold with a plan, or a typed error", () => {
    const t = (tensor: string) => ({ tensor });
    const fold: Value = {
      fold: "⟁COMPUTE_FOLD⟁",
      version: 1,
      vocab: 8,
      context: 8,
      width: 4,
      embedding: "e",
      stages: [
        {
          kind: "layers",
          stack: {
            kinds: [
              {
                attention: {
                  ...{ heads: 2, kvHeads: 1, keySize: 4, valueSize: 4, scale: 0, position: { kind: "none" } },
                  project: { kind: "qkv", q: t("q{layer}"), k: t("k{layer}"), v: t("v{layer}"), o: t("o{layer}") },
                },
                ffn: { kind: "plain", activation: "relu", width: 4, fc1: t("f{layer}"), fc2: t("g{layer}") },
              },
            ],
            order: [0, 0],
          },
        },
      ],
      head: { kind: "tied" },
    };
    const sizes = fc.oneof(
      value,
      fc.constantFrom<Value>(0, 1, 2, 3, 5, 7, 4096, 2 ** 17, 2 ** 24, 2 ** 31, 2 ** 53 - 1),
    );
    let planned = 0;
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 9 }), sizes, (way, part) => {
        const changed = replaced(fold, way, part);
        if (typed(() => tensorPlan(foldSchema.parse(changed, "FOLD"), 10_000))) planned++;
      }),
      { numRuns: 3000, seed: 8 },
    );
    expect(planned).toBeGreaterThan(50);
  });
});

/** The value with `part` at the end of a way into it. */
function replaced(whole: Value, [step = 0, ...way]: readonly number[], part: Value): Value {
  if (typeof whole !== "object" || whole instanceof Uint8Array) return part;
  const keys = Object.keys(whole);
  const key = keys[step % Math.max(1, keys.length)];
  if (key === undefined) return part;
  const inner: Value = (whole as { readonly [key: string]: Value })[key] ?? 0;
  const next = way.length === 0 ? part : replaced(inner, way, part);
  return Array.isArray(whole) ? whole.with(Number(key), next) : { ...whole, [key]: next };
}

describe("any audit path", () => {
  test("leads to the root from its own leaf alone, or is a typed error", () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(
        fc.array(hash, { minLength: 1, maxLength: 20 }),
        fc.nat(40),
        fc.nat(40),
        fc.array(fc.uint8Array({ minLength: 31, maxLength: 33 }), { maxLength: 7 }),
        (leaves, index, count, path) => {
          const [first = new Uint8Array(32)] = leaves;
          typed(() => rootFromProof(first, index, count, path));
          const leaf = leaves[index % leaves.length] ?? first;
          const own = inclusionProof(leaves, index % leaves.length);
          expect(rootFromProof(leaf, index % leaves.length, leaves.length, own)).toEqual(merkleRoot(leaves));
        },
      ),
      { numRuns: 500, seed: 10 },
    );
  });
});

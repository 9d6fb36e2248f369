import { tensorPlan } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { describeEngines } from "../../test/engines.ts";
import { Dice, randomModel, type Wish } from "../../test/random-model.ts";
import { runStreamed } from "./streamed.ts";
import type { TensorReader } from "./tensors.ts";
import { createWasmEngine } from "./wasm-engine.ts";

const WISHES: readonly (readonly [string, Wish])[] = [
  ["qkv projections with rotation", { project: "qkv", position: "rope", ffn: "gated" }],
  ["latent attention", { project: "mla", position: "rope", ffn: "gated" }],
  ["tensor product attention", { project: "tpa", position: "rope", ffn: "gated" }],
  ["ALiBi", { project: "qkv", position: "alibi", ffn: "plain" }],
  ["experts", { ffn: "experts" }],
  ["anything", {}],
];

const drawn = (dice: Dice, count: number, vocab: number): number[] =>
  Array.from({ length: count }, () => dice.between(0, vocab - 1));

describeEngines("gives a model that is streamed the bits of one that is held", (engine) => {
  test.each(WISHES)("with %s", async (_, wish) => {
    for (const seed of [31, 32, 33, 34]) {
      const model = randomModel(seed, { ...wish, routed: false, ...(seed === 34 ? { temper: "extreme" } : {}) });
      const dice = new Dice(seed);
      const sequences = [16, 1, 9].map((count) => drawn(dice, count, model.fold.vocab));
      const held = await createWasmEngine(model, { engine });
      const streamed = await runStreamed(model, engine, sequences);
      expect(streamed?.length).toBe(3);
      for (const [i, ids] of sequences.entries())
        expect(streamed?.[i]).toEqual(await held.open().forward(ids, [], "all"));
    }
  });
});

describe("a model that is streamed", () => {
  test("has each matrix read once, but for a head that is tied to the embedding", async () => {
    const model = randomModel(5, { project: "qkv", position: "rope", ffn: "experts" });
    const reads: string[] = [];
    const source: TensorReader = {
      fold: model.fold,
      read: (name) => {
        reads.push(name);
        return model.read(name);
      },
    };
    await runStreamed(source, "simd", [[1, 2, 3]]);
    const matrices = new Set(tensorPlan(model.fold).flatMap(({ name, shape }) => (shape.length > 1 ? [name] : [])));
    const twice = reads.filter((name, i) => matrices.has(name) && reads.indexOf(name) < i);
    expect(twice).toEqual(model.fold.head.kind === "tied" ? [model.fold.embedding] : []);
  });
});

describe("what cannot be streamed is left to an engine:", () => {
  test("a routed stage", async () => {
    expect(await runStreamed(randomModel(2, { routed: true }), "simd", [[1]])).toBeUndefined();
  });

  test("more positions than a chunk has", async () => {
    const model = randomModel(5, { ffn: "gated" });
    expect(await runStreamed(model, "simd", [Array<number>(129).fill(0)])).toBeUndefined();
  });
});

import { describe, expect, test } from "vitest";
import { Dice, type RandomModel, randomModel, type Wish } from "../../test/random-model.ts";
import type { Engine, Logits } from "../engine.ts";
import { createInterpreter } from "../reference/interpreter.ts";
import { readFoldWeights } from "../reference/weights.ts";
import { createWasmEngine } from "./wasm-engine.ts";

const interpreter = async (model: RandomModel): Promise<Engine> =>
  createInterpreter(await readFoldWeights(model.fold, model.read));

/** Ids and routes of a sequence. */
function tokensOf(model: RandomModel, seed: number, count: number): { ids: number[]; experts: number[] } {
  const dice = new Dice(seed);
  const routed = model.fold.stages.some((stage) => stage.kind === "routed");
  return {
    ids: Array.from({ length: count }, () => dice.between(0, model.fold.vocab - 1)),
    experts: routed ? Array.from({ length: count }, () => dice.between(0, 2)) : [],
  };
}

/** All logits of a sequence cut into chunks. */
function run(engine: Engine, { ids, experts }: { ids: number[]; experts: number[] }, chunk: number): Logits[] {
  const sequence = engine.open();
  const parts: Logits[] = [];
  for (let at = 0; at < ids.length; at += chunk)
    parts.push(sequence.forward(ids.slice(at, at + chunk), experts.slice(at, at + chunk), "all"));
  expect(sequence.length).toBe(ids.length);
  return parts;
}

function joined(parts: readonly Logits[]): { mantissas: number[]; exponents: number[] } {
  return {
    mantissas: parts.flatMap((l) => [...l.mantissas]),
    exponents: parts.flatMap((l) => [...l.exponents]),
  };
}

async function compare(model: RandomModel, seed: number, count: number, chunks: readonly number[]): Promise<void> {
  const tokens = tokensOf(model, seed, count);
  const expected = joined(run(await interpreter(model), tokens, count));
  const engine = await createWasmEngine(model);
  for (const chunk of chunks) {
    const actual = joined(run(engine, tokens, chunk));
    expect(actual.exponents).toEqual(expected.exponents);
    expect(actual.mantissas).toEqual(expected.mantissas);
  }
}

const WISHES: readonly (readonly [string, Wish])[] = [
  ["qkv projections with rotation", { project: "qkv", position: "rope", ffn: "gated" }],
  ["latent attention", { project: "mla", position: "rope", ffn: "gated" }],
  ["tensor product attention", { project: "tpa", position: "rope", ffn: "gated" }],
  ["ALiBi", { project: "qkv", position: "alibi", ffn: "plain" }],
  ["no positions", { project: "qkv", position: "none", ffn: "plain" }],
  ["silu gates", { ffn: "gated", activation: "silu" }],
  ["tanh gelu", { ffn: "plain", activation: "geluTanh" }],
  ["erf gelu", { ffn: "plain", activation: "geluErf" }],
  ["relu", { ffn: "gated", activation: "relu" }],
  ["squared relu", { ffn: "plain", activation: "relu2" }],
  ["clamped swish", { ffn: "clamped" }],
  ["experts", { ffn: "experts" }],
  ["routed experts", { routed: true }],
  ["anything", {}],
];

describe("the simd engine equals the interpreter bit for bit", () => {
  describe.each(WISHES)("with %s", (_, wish) => {
    test.each([1, 2, 3, 4, 5, 6])("seed %i", async (seed) => {
      await compare(randomModel(seed, wish), seed, 40, [1, 7, 40]);
    });
    test.each([11, 12, 13, 14])("and extreme weights, seed %i", async (seed) => {
      await compare(randomModel(seed, { ...wish, temper: "extreme" }), seed, 24, [1, 5, 24]);
    });
  });
});

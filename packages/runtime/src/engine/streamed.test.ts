import { tensorPlan } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { foldOf, randomSource } from "../../bench/shapes.ts";
import { describeEngines } from "../../test/engines.ts";
import { Dice, randomModel, type Wish } from "../../test/random-model.ts";
import type { RangeReader } from "./passing-matrix.ts";
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

/** A model whose spans can be read in parts. */
const inRanges = (
  { fold, read }: TensorReader,
  note: (name: string, offset: number, target: Uint8Array) => void = () => {},
): RangeReader => ({
  fold,
  read,
  readRange: async (name, offset, target) => {
    note(name, offset, target);
    target.set((await read(name)).subarray(offset, offset + target.length));
  },
});

const drawn = (dice: Dice, count: number, vocab: number): number[] =>
  Array.from({ length: count }, () => dice.between(0, vocab - 1));

describeEngines("gives a model that is streamed the bits of one that is held", (engine) => {
  test.each(WISHES)("with %s", async (_, wish) => {
    for (const seed of [31, 32, 33, 34]) {
      const model = randomModel(seed, { ...wish, routed: false, ...(seed === 34 ? { temper: "extreme" } : {}) });
      const dice = new Dice(seed);
      const sequences = [16, 1, 9].map((count) => drawn(dice, count, model.fold.vocab));
      const held = await createWasmEngine(model, { engine });
      const whole = await Promise.all(sequences.map((ids) => held.open().forward(ids, [], "all")));
      // One block a matrix, and as many as there can be.
      for (const blockBytes of [1 << 20, 1])
        expect(await runStreamed(inRanges(model), engine, sequences, { blockBytes })).toEqual(whole);
    }
  });
});

describe("a model that is streamed", () => {
  test("has each row and each scale read once, but for the picked rows of an embedding", async () => {
    const model = randomModel(5, { project: "qkv", position: "rope", ffn: "experts" });
    const reads: string[] = [];
    const note = (name: string, offset: number): void => {
      if (name !== model.fold.embedding) reads.push(`${name} from ${offset}`);
    };
    const dice = new Dice(5);
    await runStreamed(
      inRanges(model, note),
      "simd",
      [16, 5, 16].map((count) => drawn(dice, count, model.fold.vocab)),
      { blockBytes: 1 },
    );
    expect(new Set(reads).size).toBe(reads.length);
    expect(reads.length).toBeGreaterThan(tensorPlan(model.fold).filter(({ dtype }) => dtype === "i8").length);
  });

  test("never has more of a layer in memory than some blocks, however many experts it has", async () => {
    const memory = async (count: number): Promise<number> => {
      const shape = {
        vocab: 64,
        hidden: 256,
        layers: 2,
        heads: 4,
        kvHeads: 4,
        ffn: 512,
        experts: { count, used: count },
      };
      let most = 0;
      const source = inRanges(randomSource(foldOf(shape)), (_name, _offset, target) => {
        most = Math.max(most, target.buffer.byteLength);
      });
      await runStreamed(source, "simd", [Array.from({ length: 16 }, (_, i) => i)], { blockBytes: 1 << 16 });
      return most;
    };
    // 12 MB of experts a layer beside 0.8: what grows is the router.
    expect((await memory(32)) - (await memory(2))).toBeLessThan(1 << 20);
  });
});

describe("what cannot be streamed is left to an engine:", () => {
  test("a routed stage", async () => {
    expect(await runStreamed(inRanges(randomModel(2, { routed: true })), "simd", [[1]])).toBeUndefined();
  });

  test("more positions than a chunk has", async () => {
    const model = randomModel(5, { ffn: "gated" });
    expect(await runStreamed(inRanges(model), "simd", [Array<number>(257).fill(0)])).toBeUndefined();
  });
});

/** Addresses beyond 2 GiB are negative as words: whoever reads one back from memory has to know. A small model that lies there shows it. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { describeEngines } from "../../test/engines.ts";
import { Dice, randomModel, type Wish } from "../../test/random-model.ts";
import type { Engine, Logits } from "../engine.ts";
import { createInterpreter } from "../reference/interpreter.ts";
import { readFoldWeights } from "../reference/weights.ts";
import { runStreamed } from "./streamed.ts";
import { createWasmEngine } from "./wasm-engine.ts";

const place = vi.hoisted(() => ({ base: 0 }));

/** Engines whose memory begins elsewhere. */
vi.mock("./host.ts", async (original) => {
  const host = await original<typeof import("./host.ts")>();
  return {
    ...host,
    get BASE() {
      return host.BASE + place.base;
    },
  };
});

const GIB = 2 ** 30;
const BASES: readonly (readonly [string, number])[] = [
  ["across 2 GiB", 2 * GIB - 2 ** 17],
  ["beyond 2 GiB", 2 * GIB],
  ["at the end of 4 GiB", 4 * GIB - 2 ** 26],
];
const WISHES: readonly (readonly [string, Wish])[] = [
  ["qkv projections with rotation", { project: "qkv", position: "rope", ffn: "gated" }],
  ["latent attention", { project: "mla", position: "rope", ffn: "gated" }],
  ["tensor product attention", { project: "tpa", position: "rope", ffn: "gated" }],
  ["experts", { ffn: "experts" }],
  ["routed experts", { routed: true }],
];

afterEach(() => {
  place.base = 0;
});

/** The logits of a sequence in chunks of nine, the rest of it by another that goes on from what the first remembers. */
async function run(engine: Engine, ids: readonly number[], experts: readonly number[]): Promise<Logits[]> {
  const logits: Logits[] = [];
  let sequence = engine.open();
  for (let at = 0; at < ids.length; at += 9) {
    const saved = await sequence.save();
    sequence.close?.();
    sequence = engine.open();
    await sequence.restore(saved, at);
    logits.push(await sequence.forward(ids.slice(at, at + 9), experts.slice(at, at + 9), "all"));
  }
  sequence.close?.();
  return logits;
}

describe.each(BASES)("memory %s", (_, base) => {
  describeEngines("gives the interpreter's bits", (engine) => {
    test.each(WISHES)("with %s, on one thread, on two, and streamed", async (_, wish) => {
      const model = randomModel(17, wish);
      const dice = new Dice(17);
      const ids = Array.from({ length: 27 }, () => dice.between(0, model.fold.vocab - 1));
      const experts = wish.routed ? ids.map(() => dice.between(0, 2)) : [];
      const expected = await run(createInterpreter(await readFoldWeights(model.fold, model.read)), ids, experts);
      place.base = base;
      for (const threads of [1, 2]) {
        const held = await createWasmEngine(model, { engine, threads });
        expect(held.memory).toBeGreaterThan(base);
        expect(await run(held, ids, experts)).toEqual(expected);
        held.close?.();
      }
      const readRange = async (name: string, offset: number, target: Uint8Array): Promise<void> =>
        target.set((await model.read(name)).subarray(offset, offset + target.length));
      const streamed = await runStreamed({ ...model, readRange }, engine, [ids.slice(0, 9)], { blockBytes: 1 });
      if (!wish.routed) expect(streamed).toEqual(expected.slice(0, 1));
    });
  });
});

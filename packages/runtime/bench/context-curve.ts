/** What a token costs as its sequence grows. */

import { createWasmEngine } from "../src/engine/wasm-engine.ts";
import type { Sequence } from "../src/engine.ts";
import { foldOf, randomSource, type Shape } from "./shapes.ts";
import { best } from "./timing.ts";

export interface CurvePoint {
  /** Positions in the cache before the token. */
  readonly position: number;
  /** Milliseconds of the token in one layer, beyond what it costs at an empty cache. */
  readonly growth: number;
}

const CHUNK = 512;

/**
 * Costs at rising positions, on the attention of one layer of the shape: filling the caches of all its layers would take many minutes and
 * says no more, as each costs the same; feed-forward and head, which cost the same everywhere, are made small. The first position
 * is what the others are compared with.
 */
export async function contextCurve(
  shape: Shape,
  engine: "simd" | "relaxed",
  positions: readonly number[],
): Promise<readonly CurvePoint[]> {
  const { hidden, heads, kvHeads } = shape;
  const fold = foldOf({ hidden, heads, kvHeads, layers: 1, vocab: 256, ffn: 32 });
  const model = await createWasmEngine(randomSource(fold), { engine });
  const sequence = model.open();
  await fill(model.open(), fold.vocab, 2 * CHUNK); // compiles
  const costs: { readonly position: number; readonly cost: number }[] = [];
  for (const position of positions) {
    await fill(sequence, fold.vocab, position);
    costs.push({
      position,
      cost: 1000 * (await best(() => sequence.forward([position % fold.vocab], [], "last"), 500)),
    });
  }
  return costs.map(({ position, cost }) => ({ position, growth: cost - (costs[0]?.cost ?? 0) }));
}

async function fill(sequence: Sequence, vocab: number, position: number): Promise<void> {
  while (sequence.length < position) {
    const from = sequence.length;
    const count = Math.min(CHUNK, position - from);
    const ids = Array.from({ length: count }, (_, i) => ((from + i) * 7919) % vocab);
    await sequence.forward(ids, [], "last");
  }
}

/** Turns of our engine, in a process or a page. */
import { foldOf, randomSource } from "../../packages/runtime/bench/shapes.ts";
import { createWasmEngine } from "../../packages/runtime/src/engine/wasm-engine.ts";
import type { Clock } from "./clock.ts";
import { shapeOf } from "./shapes.ts";
import { DECODE, PROMPT, type Turn } from "./turn.ts";

/** Loads a shape. Throws Error where the engine cannot have so many threads. */
export async function openOurs(
  shape: string,
  engine: "simd" | "relaxed",
  threads: number,
  clock: Clock,
): Promise<() => Promise<Turn>> {
  const model = await createWasmEngine(randomSource(foldOf(shapeOf(shape))), { engine, threads });
  if (model.threads !== threads) throw new Error(`the engine has ${model.threads} of ${threads} threads here`);
  return async () => {
    const sequence = model.open();
    const start = clock();
    let token = greatest((await sequence.forward(PROMPT, [], "last")).mantissas);
    const middle = clock();
    for (let i = 0; i < DECODE; i++) token = greatest((await sequence.forward([token], [], "last")).mantissas);
    const end = clock();
    sequence.close?.();
    return { prefill: middle - start, decode: end - middle };
  };
}

/** The likeliest token: one position has one exponent, so mantissas compare. */
function greatest(mantissas: Int32Array): number {
  let best = 0;
  for (let i = 1; i < mantissas.length; i++) if ((mantissas[i] ?? 0) > (mantissas[best] ?? 0)) best = i;
  return best;
}

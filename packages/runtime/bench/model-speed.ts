/** Tokens a second of a shape with random weights. */
import { spanLayout, tensorPlan } from "@s7l/format";
import { createWasmEngine } from "../src/engine/wasm-engine.ts";
import { foldOf, randomSource, type Shape } from "./shapes.ts";
import { best } from "./timing.ts";

export const PROMPT = 256;

export interface ModelSpeed {
  /** Milliseconds to make the weights and to load them. */
  readonly load: number;
  /** Tokens a second of {@link PROMPT} tokens from an empty cache. */
  readonly prefill: number;
  /** Tokens a second, one at a time, after the prompt. */
  readonly decode: number;
  /** Bytes of the engine's memory over bytes of the spans. */
  readonly memory: number;
}

/** Throws Error where the engine cannot have so many threads. */
export async function modelSpeed(shape: Shape, engine: "simd" | "relaxed", threads: number): Promise<ModelSpeed> {
  const fold = foldOf(shape);
  const bytes = tensorPlan(fold).reduce((sum, tensor) => sum + spanLayout(tensor).size, 0);
  const start = performance.now();
  const model = await createWasmEngine(randomSource(fold), { engine, threads });
  if (model.threads !== threads) throw new Error(`${model.threads} of ${threads} threads`);
  const load = performance.now() - start;
  const ids = Array.from({ length: PROMPT }, (_, i) => (i * 7919) % fold.vocab);
  const prefill = await best(async () => {
    const sequence = model.open();
    await sequence.forward(ids, [], "last");
    sequence.close?.();
  }, 6000);
  const sequence = model.open();
  await sequence.forward(ids, [], "last");
  let at = 0;
  const decode = await best(() => sequence.forward([ids[at++ % PROMPT] ?? 0], [], "last"), 4000);
  const memory = model.memory / bytes;
  model.close?.();
  return { load, prefill: PROMPT / prefill, decode: 1 / decode, memory };
}

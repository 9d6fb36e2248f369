/** Our engine as a contestant: `ours.ts SHAPE THREADS [ENGINE]`. */
import { foldOf, randomSource } from "../../packages/runtime/bench/shapes.ts";
import { bestEngine } from "../../packages/runtime/src/engine/host.ts";
import { createWasmEngine } from "../../packages/runtime/src/engine/wasm-engine.ts";
import { DECODE, PROMPT, takePart } from "./contest.ts";
import { shapeOf } from "./shapes.ts";

const [, , shape = "", threads = "1", wanted] = process.argv;

await takePart(async () => {
  const best = await bestEngine();
  const engine = wanted === "simd" || wanted === "relaxed" ? wanted : best === "relaxed" ? "relaxed" : "simd";
  const model = await createWasmEngine(randomSource(foldOf(shapeOf(shape))), { engine, threads: Number(threads) });
  return {
    about: `Node ${process.version.slice(1)}, ${engine}, threads ${threads}`,
    turn: async () => {
      const sequence = model.open();
      const start = performance.now();
      let token = greatest((await sequence.forward(PROMPT, [], "last")).mantissas);
      const middle = performance.now();
      for (let i = 0; i < DECODE; i++) token = greatest((await sequence.forward([token], [], "last")).mantissas);
      const end = performance.now();
      sequence.close?.();
      return { prefill: (middle - start) / 1000, decode: (end - middle) / 1000 };
    },
  };
});

/** The likeliest token: one position has one exponent, so mantissas compare. */
function greatest(mantissas: Int32Array): number {
  let best = 0;
  for (let i = 1; i < mantissas.length; i++) if ((mantissas[i] ?? 0) > (mantissas[best] ?? 0)) best = i;
  return best;
}

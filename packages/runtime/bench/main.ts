/**
 * Prints what the engines reach here: kernels beside the memory's own speed, then tokens a second. Shortest times count, so that
 * a busy neighbour hurts least; run it on a quiet machine to quote it.
 */
import { spanLayout, tensorPlan } from "@s7l/format";
import { bestEngine, hasExactRelaxed } from "../src/engine/host.ts";
import { createWasmEngine } from "../src/engine/wasm-engine.ts";
import { kernelSpeed, memoryBandwidth } from "./kernel-speed.ts";
import { DENSE, foldOf, MINI, MIXTURE, randomSource } from "./shapes.ts";
import { best, median } from "./timing.ts";
import { withTrained } from "./trained.ts";

const PROMPT = 256;

const engines: readonly ("simd" | "relaxed")[] = (await hasExactRelaxed()) ? ["simd", "relaxed"] : ["simd"];
const memory = memoryBandwidth();
console.log(
  `Node ${process.version}, engine of choice: ${await bestEngine()}, memory read ${memory.toFixed(1)} GB/s\n`,
);

console.log("matrix kernel   64 MB, 1 token        512 KB, 1 token   960 x 1024, 64 tokens");
for (const engine of engines) {
  const speed = await kernelSpeed(engine);
  if (!speed) continue;
  const share = `${speed.decode.toFixed(1)} GB/s (${((100 * speed.decode) / memory).toFixed(0)} %)`;
  console.log(
    `${engine.padEnd(15)} ${share.padEnd(21)} ${`${speed.cached.toFixed(1)} GB/s`.padEnd(17)} ${speed.prefill.toFixed(0)} GOPS`,
  );
}

if (process.argv[2] === undefined || "s7-mini".includes(process.argv[2])) {
  const TOKENS = 256;
  for (const engine of engines) {
    const loaded = await withTrained((source) => createWasmEngine(source, { engine }));
    // Each run decodes from the first position to the 256th; the experts take turns of 16 positions.
    const seconds = median(() => {
      const sequence = loaded.open();
      for (let i = 0; i < TOKENS; i++) sequence.forward([(i * 91 + 5) % 4096], [(i >> 4) % 4], "last");
      sequence.close?.();
    }, 25);
    const rate = (TOKENS / seconds).toFixed(0);
    console.log(
      `\ns7-mini itself, ${engine}: decode ${rate} tok/s (median of 25 runs of ${TOKENS} tokens from an empty cache)`,
    );
  }
}

console.log(`\nmodel           engine    load         prefill ${PROMPT}     decode         memory / artifact`);
const shapes = { "mini 5M": MINI, "dense 151M": DENSE, "mixture 1.0B": MIXTURE };
const wanted = process.argv[2];
for (const [name, shape] of Object.entries(shapes)) {
  if (wanted !== undefined && !name.includes(wanted)) continue;
  for (const engine of engines) {
    const fold = foldOf(shape);
    const bytes = tensorPlan(fold).reduce((sum, tensor) => sum + spanLayout(tensor).size, 0);
    const start = performance.now();
    const loaded = await createWasmEngine(randomSource(fold), { engine });
    const load = performance.now() - start;
    const ids = Array.from({ length: PROMPT }, (_, i) => (i * 7919) % fold.vocab);
    const prefill = best(() => {
      const sequence = loaded.open();
      sequence.forward(ids, [], "last");
      sequence.close?.();
    }, 6000);
    const sequence = loaded.open();
    sequence.forward(ids, [], "last");
    let at = 0;
    const decode = best(() => sequence.forward([ids[at++ % PROMPT] ?? 0], [], "last"), 4000);
    console.log(
      [
        name.padEnd(15),
        engine.padEnd(9),
        `${load.toFixed(0)} ms`.padEnd(12),
        `${(PROMPT / prefill).toFixed(0)} tok/s`.padEnd(15),
        `${(1 / decode).toFixed(1)} tok/s`.padEnd(14),
        `${(loaded.memory / bytes).toFixed(2)}`,
      ].join(" "),
    );
  }
}

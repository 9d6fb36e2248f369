/**
 * Prints what the engines reach here, each table beside what bounds it: `npm run bench [-- kernels|s7-mini|mini|dense|mixture|context|container ...]`.
 * Shortest times count, so that a busy neighbour hurts least; run it on a quiet machine to quote it.
 */
import { bestEngine, hasExactRelaxed } from "../src/engine/host.ts";
import { createWasmEngine } from "../src/engine/wasm-engine.ts";
import { widenVectors } from "../src/engine/wide-vectors.ts";
import { containerSpeed } from "./container-speed.ts";
import { contextCurve } from "./context-curve.ts";
import { kernelSpeed } from "./kernel-speed.ts";
import { memorySpeed } from "./memory-speed.ts";
import { modelSpeed, PROMPT } from "./model-speed.ts";
import { DENSE, MINI, MIXTURE, type Shape } from "./shapes.ts";
import { printTable } from "./table.ts";
import { median } from "./timing.ts";
import { withTrained } from "./trained.ts";

const SHAPES: Readonly<Record<string, Shape>> = { mini: MINI, dense: DENSE, mixture: MIXTURE };
const TITLES: Readonly<Record<string, string>> = { mini: "mini 5M", dense: "dense 151M", mixture: "mixture 1.0B" };
const POSITIONS = [0, 1024, 4096, 16_384];
const GENERATED = 256;

const words = process.argv.slice(2);
const wants = (section: string): boolean => words.length === 0 || words.includes(section);
const engines: readonly ("simd" | "relaxed")[] = (await hasExactRelaxed()) ? ["simd", "relaxed"] : ["simd"];
const best = (await bestEngine()) === "relaxed" ? "relaxed" : "simd";
console.log(`Node ${process.version}, engine of choice: ${best}`);

if (wants("kernels")) await printKernels();
else widenVectors();
if (wants("s7-mini")) await printTrained();
await printShapes();
if (wants("context")) await printContext();
if (wants("container")) await printContainer();

async function printKernels(): Promise<void> {
  const { native, wasm } = await memorySpeed();
  const memory = Math.max(native, wasm);
  const rows: string[][] = [];
  const measure = async (wide: boolean): Promise<void> => {
    for (const engine of engines) {
      const speed = await kernelSpeed(engine, wide);
      if (!speed) continue;
      const share = `${speed.decode.toFixed(1)} GB/s, ${((100 * speed.decode) / memory).toFixed(0)} %`;
      const rates = [`${speed.cached.toFixed(1)} GB/s`, `${speed.prefill.toFixed(0)} GOPS`];
      rows.push([wide ? `${engine}, wide vectors` : engine, share, ...rates]);
    }
  };
  await measure(false);
  // As the command has it, for all that follows.
  if (widenVectors()) await measure(true);
  printTable(
    `Matrix kernel, one thread; memory read: native ${native.toFixed(1)} GB/s, WebAssembly ${wasm.toFixed(1)} GB/s (per cent are of the faster)`,
    ["engine", "64 MB, 1 token", "512 KB, 1 token", "960 x 1024, 64 tokens"],
    rows,
  );
}

/** Each run decodes from the first position to the 256th; the experts take turns of 16 positions. */
async function printTrained(): Promise<void> {
  const rows: string[][] = [];
  for (const engine of engines) {
    const model = await withTrained((source) => createWasmEngine(source, { engine }));
    const seconds = await median(async () => {
      const sequence = model.open();
      for (let i = 0; i < GENERATED; i++) await sequence.forward([(i * 91 + 5) % 4096], [(i >> 4) % 4], "last");
      sequence.close?.();
    }, 25);
    rows.push([engine, `${(GENERATED / seconds).toFixed(0)} tok/s`]);
  }
  printTable(`s7-mini itself, ${GENERATED} tokens from an empty cache, median of 25 runs`, ["engine", "decode"], rows);
}

async function printShapes(): Promise<void> {
  const rows: string[][] = [];
  for (const [name, shape] of Object.entries(SHAPES).filter(([name]) => wants(name))) {
    for (const [engine, threads] of [...engines.map((engine) => [engine, 1] as const), [best, 2] as const]) {
      const title = [TITLES[name] ?? name, engine, String(threads)];
      try {
        const { load, prefill, decode, memory } = await modelSpeed(shape, engine, threads);
        const rates = [`${prefill.toFixed(0)} tok/s`, `${decode.toFixed(1)} tok/s`];
        rows.push([...title, `${load.toFixed(0)} ms`, ...rates, memory.toFixed(2)]);
      } catch (error) {
        rows.push([...title, "not available", error instanceof Error ? error.message : String(error)]);
      }
    }
  }
  if (rows.length === 0) return;
  const head = ["shape", "engine", "threads", "make and load", `prefill ${PROMPT}`, "decode", "memory / artifact"];
  printTable("Random weights", head, rows);
}

async function printContext(): Promise<void> {
  const points = await contextCurve(MIXTURE, best, POSITIONS);
  const rows = points.map(({ position, growth }) => [
    String(position),
    `${growth.toFixed(3)} ms`,
    `${(growth * MIXTURE.layers).toFixed(2)} ms`,
  ]);
  const head = ["position", "growth a layer", `times ${MIXTURE.layers} layers`];
  printTable(`A token of the mixture 1.0B beyond its cost at position 0, ${best}, one thread`, head, rows);
}

async function printContainer(): Promise<void> {
  const steps = await containerSpeed();
  const row = ({ name, of, speed }: (typeof steps)[number]) => [name, `${speed.toFixed(2)} GB/s of the ${of}`];
  printTable(
    "Pipeline, one thread, 128 MB of BF16 and its artifact, from the page cache",
    ["step", "speed"],
    steps.map(row),
  );
}

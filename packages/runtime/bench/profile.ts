/**
 * Where a token's time goes: `npm run bench:profile [-- dense|mixture] [simd|relaxed]`. Each kernel's share of decode and of prefill, one
 * thread; `JavaScript` is what is left, the walk over the program.
 */
import { bestEngine } from "../src/engine/host.ts";
import type { Kernels } from "../src/engine/kernels.ts";
import { createWasmEngine } from "../src/engine/wasm-engine.ts";
import { widenVectors } from "../src/engine/wide-vectors.ts";
import { DENSE, foldOf, MIXTURE, randomSource } from "./shapes.ts";
import { takeTimes, timeKernels } from "./time-kernels.ts";

const JAVASCRIPT = "JavaScript";
const KINDS = ["matrices", "attention", "other kernels", JAVASCRIPT] as const;
const ATTENTION: ReadonlySet<string> = new Set<keyof Kernels>([
  "rotations",
  "prepareQueries",
  "appendKeys",
  "appendValues",
  "attend",
  "joinHeads",
]);
const PROMPT = 256;
const DECODE = 64;
const words = process.argv.slice(2);
const shapes = Object.entries({ dense: DENSE, mixture: MIXTURE });
const wanted = shapes.filter(([name]) => words.includes(name));
const best = words.includes("relaxed") || (!words.includes("simd") && (await bestEngine()) === "relaxed");

if (!words.includes("simd")) widenVectors(); // as the command does
timeKernels();
for (const [name, shape] of wanted.length > 0 ? wanted : shapes) {
  const fold = foldOf(shape);
  const model = await createWasmEngine(randomSource(fold), { engine: best ? "relaxed" : "simd" });
  const ids = Array.from({ length: PROMPT }, (_, i) => (i * 7919) % fold.vocab);
  const prefill = async () => {
    const prompt = model.open();
    await prompt.forward(ids, [], "last");
    return prompt;
  };
  const decode = async () => {
    for (let i = 0; i < DECODE; i++) await sequence.forward([ids[i] ?? 0], [], "last");
  };
  // The host compiles what runs often: the same work once before it is timed.
  let sequence = await prefill();
  await decode();
  sequence.close?.();
  sequence = await prefill();
  await print(`${name}, ${model.name}, prefill ${PROMPT} from an empty cache`, PROMPT, prefill);
  await print(`${name}, ${model.name}, decode ${DECODE} after ${PROMPT}`, DECODE, decode);
}

/** One table: kernels by their share, those under 0.5 % together. */
async function print(title: string, tokens: number, run: () => Promise<unknown>): Promise<void> {
  takeTimes();
  const start = performance.now();
  await run();
  const total = performance.now() - start;
  const kernels = takeTimes();
  const inKernels = kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const rows = [...kernels, { name: JAVASCRIPT, calls: 0, milliseconds: total - inKernels }];
  const small = rows.filter(({ milliseconds }) => milliseconds < total / 200);
  const rest = small.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  console.log(`\n${title}: ${(total / tokens).toFixed(2)} ms a token, ${((1000 * tokens) / total).toFixed(1)} tok/s`);
  const share = (kind: string) =>
    rows.reduce((sum, { name, milliseconds }) => sum + (kindOf(name) === kind ? milliseconds : 0), 0);
  console.log(KINDS.map((kind) => `${kind} ${percent(share(kind), total).trim()}`).join(", "));
  for (const { name, calls, milliseconds } of rows.filter((row) => !small.includes(row)))
    console.log(
      `${name.padEnd(16)} ${percent(milliseconds, total)}  ${(milliseconds / tokens).toFixed(3).padStart(8)} ms  ${(calls / tokens).toFixed(1).padStart(6)} calls a token`,
    );
  console.log(`${"others".padEnd(16)} ${percent(rest, total)}   (${small.map(({ name }) => name).join(", ")})`);
}

function kindOf(name: string): (typeof KINDS)[number] {
  if (name === JAVASCRIPT) return JAVASCRIPT;
  if (name.startsWith("linear")) return "matrices";
  return ATTENTION.has(name) ? "attention" : "other kernels";
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1).padStart(5)} %`;
}

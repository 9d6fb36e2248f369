/**
 * `npm run bench:build`: quantizing and sealing, beside what no build can be faster than: a copy of the checkpoint, SHA-256 of it, and bare
 * threads that read it and hash as many bytes as a build does: its input for the provenance records, its output for the tree; then the
 * same with the output written. The golden prompts, whose price is the runtime's, are left out. Runs take turns, and the shortest of
 * three counts.
 *
 * GB are 10^9 bytes of the checkpoint, then of the same weights as F32: a BF16 checkpoint has twice as many in a byte. CPU is time of all
 * threads, reading and writing included: GB a CPU second is what one core gives.
 *
 *     npm run bench:build -- [CHECKPOINT [THREADS]]     builds that one once, and says what memory it took
 */
import { copyFile, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeGoldens } from "@s7l/fixtures";
import { toHex } from "@s7l/format";
import { sealFile } from "@s7l/pack/file";
import { type FloatType, freshCheckpoint, writeCheckpoint } from "@s7l/quantize";
import { openQuantized } from "../src/threads.ts";
import { hashBarely } from "./bare-hash.ts";

/** 1.1 billion weights: 4.4 GB of F32. */
const CONFIG = {
  model_type: "llama",
  hidden_size: 2048,
  intermediate_size: 5632,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  vocab_size: 2000,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
};

const FLOAT_BYTES: Readonly<Record<FloatType, number>> = { F32: 4, F16: 2, BF16: 2 };

interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

async function measure(task: () => Promise<unknown>): Promise<Measured> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await task();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, cpuSeconds: (user + system) / 1e6 };
}

function print(name: string, bytes: number, weight: number, { seconds, cpuSeconds }: Measured): void {
  const rate = (time: number): string => (bytes / 1e9 / time).toFixed(2).padStart(6);
  const asF32 = ((bytes * 4) / weight / 1e9 / seconds).toFixed(2).padStart(6);
  console.info(`${rate(seconds)} GB/s ${asF32} as F32 ${rate(cpuSeconds)} a CPU second   ${name}`);
}

/** Seals a checkpoint; gives the root. */
async function build(checkpointPath: string, out: string, threads: number | undefined): Promise<string> {
  const { checkpoint, weights, concurrency, close } = await openQuantized(checkpointPath, threads);
  try {
    const seal = await sealFile(weights, out, {
      ...fakeGoldens(weights),
      concurrency,
      source: checkpoint.identity,
    });
    return toHex(seal.root);
  } finally {
    await close();
  }
}

async function shardsOf(folder: string): Promise<readonly { readonly path: string; readonly size: number }[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".safetensors"));
  return Promise.all(
    names.map(async (name) => ({ path: join(folder, name), size: (await stat(join(folder, name))).size })),
  );
}

const ROUNDS = 3;
const THREADS = [1, 2] as const;

async function compare(folder: string, type: FloatType): Promise<void> {
  const source = join(folder, type);
  const checkpoint = freshCheckpoint(
    { place: "config.json", values: CONFIG },
    { seed: 1, type, sharding: { count: 4 } },
  );
  await writeCheckpoint(checkpoint, source);
  const shards = await shardsOf(source);
  const paths = shards.map(({ path }) => path);
  const bytes = shards.reduce((sum, { size }) => sum + size, 0);
  const out = join(folder, "model.s7l");
  const roots = new Set<string>();
  const written = join(folder, "written");
  const remove = (path: string) => rm(path, { force: true });
  /** What a round measures, and how it clears away afterwards, which is no part of a build. */
  const tasks = new Map<string, { readonly run: () => Promise<void>; readonly clear?: () => Promise<unknown> }>([
    [
      "cp",
      {
        run: async () => {
          for (const [i, path] of paths.entries()) await copyFile(path, `${written}-${i}`);
        },
        clear: () => Promise.all(paths.map((_, i) => remove(`${written}-${i}`))),
      },
    ],
    ["SHA-256 of node:crypto, reading included", { run: () => hashBarely(paths, 0, 1) }],
  ]);
  for (const threads of THREADS) {
    tasks.set(hashesOn(threads), { run: () => hashBarely(paths, checkpoint.elements, threads) });
    tasks.set(ceilingOf(threads), {
      run: () => hashBarely(paths, checkpoint.elements, threads, written),
      clear: () => Promise.all(Array.from({ length: threads }, (_, thread) => remove(`${written}-${thread}`))),
    });
    tasks.set(buildOn(threads), {
      run: async () => void roots.add(await build(source, out, threads)),
      clear: () => remove(out),
    });
  }
  const best = new Map<string, Measured>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, { run, clear }] of tasks) {
      const measured = await measure(run);
      await clear?.();
      if (measured.seconds < (best.get(name)?.seconds ?? Number.POSITIVE_INFINITY)) best.set(name, measured);
    }
  }
  console.info(`\n${(bytes / 1e9).toFixed(2)} GB of ${type}`);
  for (const [name, measured] of best) print(name, bytes, FLOAT_BYTES[type], measured);
  for (const threads of THREADS) {
    const built = best.get(buildOn(threads))?.seconds ?? 1;
    const share = (name: string): string => `${((100 * (best.get(name)?.seconds ?? 0)) / built).toFixed(0)} %`;
    console.info(
      `${share(ceilingOf(threads)).padStart(7)} of the ceiling on ${threadsOf(threads)}, ${share(hashesOn(threads))} of its hashes alone`,
    );
  }
  if (roots.size !== 1) throw new Error(`one checkpoint, several roots: ${[...roots].join(", ")}`);
}

const threadsOf = (threads: number): string => `${threads} ${threads === 1 ? "thread" : "threads"}`;
const hashesOn = (threads: number): string => `hashes of input and output, ${threadsOf(threads)}`;
const ceilingOf = (threads: number): string => `ceiling: the same, and the output written, ${threadsOf(threads)}`;
const buildOn = (threads: number): string => `quantize and seal, ${threadsOf(threads)}`;

async function once(checkpoint: string, threads: number | undefined, folder: string): Promise<void> {
  const bytes = (await shardsOf(checkpoint)).reduce((sum, { size }) => sum + size, 0);
  let root = "";
  const measured = await measure(async () => {
    root = await build(checkpoint, join(folder, "model.s7l"), threads);
  });
  // Of what type its tensors are, they know themselves; artifacts hold a byte a weight.
  const { size } = await stat(join(folder, "model.s7l"));
  const name = `quantize and seal ${(bytes / 1e9).toFixed(2)} GB in ${measured.seconds.toFixed(1)} s`;
  print(name, bytes, Math.round(bytes / size), measured);
  console.info(`peak memory ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB, root ${root}`);
}

const [checkpoint, threads] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), "s7l-bench-"));
try {
  if (checkpoint !== undefined) await once(checkpoint, threads === undefined ? undefined : Number(threads), folder);
  else for (const type of ["F32", "BF16"] as const) await compare(folder, type);
} finally {
  await rm(folder, { recursive: true });
}

/**
 * `npm run bench:build`: quantizing and sealing, beside what no build can be faster than: a copy of the checkpoint, SHA-256 of it (the input is
 * hashed for the provenance records, the output for the tree). The golden prompts, whose price is the
 * runtime's, are left out. GB are 10^9 bytes of the checkpoint; shortest of three runs. CPU is time of all threads, reading and writing included:
 * GB a CPU second is what one core gives.
 *
 *     npm run bench:build -- [CHECKPOINT [THREADS]]     builds that one once, and says what memory it took
 */
import { createHash } from "node:crypto";
import { copyFile, mkdtemp, open, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeGoldens } from "@s7l/fixtures";
import { toHex } from "@s7l/format";
import { sealFile } from "@s7l/pack/file";
import { type FloatType, freshCheckpoint, writeCheckpoint } from "@s7l/quantize";
import { openQuantized } from "../src/threads.ts";

/** 0.54 GB of F32. */
const CONFIG = {
  model_type: "llama",
  hidden_size: 2048,
  intermediate_size: 5632,
  num_hidden_layers: 3,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  vocab_size: 2000,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
};

interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** The shortest of some runs. */
async function measure(task: () => Promise<unknown>, runs = 3): Promise<Measured> {
  let best: Measured = { seconds: Number.POSITIVE_INFINITY, cpuSeconds: 0 };
  for (let run = 0; run < runs; run++) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    await task();
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    if (seconds < best.seconds) best = { seconds, cpuSeconds: (user + system) / 1e6 };
  }
  return best;
}

function print(name: string, bytes: number, { seconds, cpuSeconds }: Measured): void {
  const rate = (time: number): string => (bytes / 1e9 / time).toFixed(2).padStart(6);
  console.info(`${rate(seconds)} GB/s  ${rate(cpuSeconds)} GB a CPU second   ${name}`);
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

async function hash(path: string): Promise<void> {
  const file = await open(path);
  const digest = createHash("sha256");
  const block = new Uint8Array(1 << 20);
  for (;;) {
    const { bytesRead } = await file.read(block, 0, block.length);
    if (bytesRead === 0) break;
    digest.update(block.subarray(0, bytesRead));
  }
  digest.digest();
  await file.close();
}

async function compare(folder: string, type: FloatType): Promise<void> {
  const source = join(folder, type);
  await writeCheckpoint(
    freshCheckpoint({ place: "config.json", values: CONFIG }, { seed: 1, type, sharding: { count: 4 } }),
    source,
  );
  const shards = await shardsOf(source);
  const bytes = shards.reduce((sum, { size }) => sum + size, 0);
  const out = join(folder, "model.s7l");
  console.info(`\n${(bytes / 1e9).toFixed(2)} GB of ${type}`);
  const each = (act: (path: string) => Promise<unknown>) => async () => {
    for (const { path } of shards) await act(path);
  };
  print("cp", bytes, await measure(each((path) => copyFile(path, join(folder, "copy")))));
  print("SHA-256 of node:crypto, reading included", bytes, await measure(each(hash)));
  const roots = new Set<string>();
  for (const threads of [1, 2]) {
    const measured = await measure(async () => {
      roots.add(await build(source, out, threads));
      await rm(out, { force: true });
    });
    print(`quantize and seal, ${threads} ${threads === 1 ? "thread" : "threads"}`, bytes, measured);
  }
  if (roots.size !== 1) throw new Error(`one checkpoint, several roots: ${[...roots].join(", ")}`);
}

async function once(checkpoint: string, threads: number | undefined, folder: string): Promise<void> {
  const bytes = (await shardsOf(checkpoint)).reduce((sum, { size }) => sum + size, 0);
  let root = "";
  const measured = await measure(async () => {
    root = await build(checkpoint, join(folder, "model.s7l"), threads);
  }, 1);
  print(`quantize and seal ${(bytes / 1e9).toFixed(2)} GB in ${measured.seconds.toFixed(1)} s`, bytes, measured);
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

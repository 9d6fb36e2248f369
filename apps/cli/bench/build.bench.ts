/**
 * Quantizing and sealing a checkpoint of about 0.27 GB of F32, beside what no build can be faster than: a copy of it, and SHA-256 of it
 * (the input is hashed for the provenance records, the output for the tree). Prints GB/s of F32; the goldens, whose price is the runtime's,
 * are left out.
 */
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, openSync, readdirSync, readSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeDigests } from "@s7l/fixtures";
import { sealFile } from "@s7l/pack/file";
import { freshCheckpoint, openCheckpoint, quantize, quantizeOnThreads, writeCheckpoint } from "@s7l/quantize";
import { afterAll, bench, describe } from "vitest";

const CONFIG = {
  model_type: "llama",
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 3,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  vocab_size: 9000,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
};

const folder = mkdtempSync(join(tmpdir(), "s7l-bench-"));
const source = join(folder, "checkpoint");
await writeCheckpoint(
  freshCheckpoint({ place: "config.json", values: CONFIG }, { seed: 1, type: "F32", sharding: { count: 4 } }),
  source,
);
const shards = readdirSync(source).filter((name) => name.endsWith(".safetensors"));
const bytes = shards.reduce((sum, name) => sum + statSync(join(source, name)).size, 0);
const best = new Map<string, number>();

/** Runs and times one task; vitest's own table says operations a second. */
function measured(name: string, task: () => Promise<void> | void): void {
  bench(
    name,
    async () => {
      const start = performance.now();
      await task();
      best.set(name, Math.min(best.get(name) ?? Number.POSITIVE_INFINITY, performance.now() - start));
    },
    { iterations: 3, time: 0, warmupIterations: 1, warmupTime: 0 },
  );
}

afterAll(() => {
  for (const [name, milliseconds] of best) console.info(`${(bytes / 1e6 / milliseconds).toFixed(2)} GB/s  ${name}`);
  rmSync(folder, { recursive: true });
});

async function build(threads: number): Promise<void> {
  const out = join(folder, "model.s7l");
  const checkpoint = await openCheckpoint(source);
  const threaded = threads > 1 ? quantizeOnThreads(checkpoint, source, threads) : undefined;
  try {
    await sealFile(threaded ?? quantize(checkpoint), out, {
      golden: async (_, prompts) => fakeDigests(prompts),
      concurrency: threads > 1 ? threads + 1 : 1,
    });
  } finally {
    await threaded?.close();
    await checkpoint.close();
    rmSync(out, { force: true });
  }
}

describe(`${(bytes / 1e9).toFixed(2)} GB of F32`, () => {
  measured("copy (cp)", () => {
    for (const name of shards) {
      copyFileSync(join(source, name), join(folder, "copy"));
      rmSync(join(folder, "copy"));
    }
  });

  measured("node:crypto's SHA-256, reading included", () => {
    const block = new Uint8Array(1 << 20);
    for (const name of shards) {
      const hash = createHash("sha256");
      const file = openSync(join(source, name), "r");
      for (let read = readSync(file, block); read > 0; read = readSync(file, block))
        hash.update(block.subarray(0, read));
      hash.digest();
    }
  });

  measured("quantize and seal, one thread", () => build(1));
  measured("quantize and seal, two threads that quantize", () => build(2));
});

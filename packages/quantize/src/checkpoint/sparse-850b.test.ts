import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FreshCheckpoint, freshCheckpoint } from "../init/fresh-checkpoint.ts";
import { lowerCheckpoint } from "../lower.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { collectCheckpoint } from "./collect.ts";
import { indexCheckpoint } from "./index-checkpoint.ts";
import { lintCheckpoint } from "./lint.ts";
import { INDEX_FILE } from "./shard-index.ts";

/**
 * Seed 000's Oracle850B in 128 shards: 96 layers, 128 experts each. Its own expert_hidden_mult of 4 would make 10,000 billion
 * parameters; experts 2,816 wide make the 850 billion of its name.
 */
const ORACLE = {
  model_type: "oracle_moe",
  torch_dtype: "bfloat16",
  hidden_size: 8192,
  num_hidden_layers: 96,
  num_attention_heads: 64,
  num_key_value_heads: 8,
  num_local_experts: 128,
  num_experts_per_tok: 2,
  moe_intermediate_size: 2816,
  vocab_size: 131072,
  max_position_embeddings: 16384,
  hidden_act: "silu",
  rms_norm_eps: 1e-5,
  rotary_pct: 0.5,
};

/** Writes real headers and leaves the data sparse: 1.7 TB that take a few MB. */
async function writeSparse({ files }: FreshCheckpoint, folder: string): Promise<void> {
  for (const { path, size, bytes } of files) {
    const handle = await open(join(folder, path), "w");
    for (const header of bytes()) {
      await handle.writeFile(header);
      break;
    }
    await handle.truncate(size);
    await handle.close();
  }
}

describe("a checkpoint of 850 billion parameters in 128 sparse shards", () => {
  let folder = "";
  let fresh: FreshCheckpoint;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "s7l-850b-"));
    fresh = freshCheckpoint({ place: "config.json", values: ORACLE }, { seed: 1, sharding: { count: 128 } });
    await writeSparse(fresh, folder);
    await writeFile(join(folder, "tokenizer.json"), "{}");
    await writeFile(join(folder, "generation_config.json"), "{}");
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("is collected, indexed, linted and lowered from its names and headers", async () => {
    expect(fresh.elements).toBeGreaterThan(850e9);
    const took: string[] = [];
    const timed = async <T>(what: string, act: () => Promise<T>): Promise<T> => {
      const start = performance.now();
      const result = await act();
      took.push(`${what} ${Math.round(performance.now() - start)} ms`);
      return result;
    };
    expect(await timed("collect", () => collectCheckpoint(folder))).toMatchObject({
      ok: true,
      findings: [],
      shards: 128,
    });
    await rm(join(folder, INDEX_FILE));
    const [index] = await timed("index", () => indexCheckpoint(folder));
    expect(index).toMatchObject({ shards: 128, tensors: fresh.tensors, bytes: 2 * fresh.elements });
    expect(await timed("lint", () => lintCheckpoint(folder))).toMatchObject({
      ok: true,
      findings: [],
      tensors: fresh.tensors,
    });
    const checkpoint = await timed("open", () => openCheckpoint(folder));
    const lowered = await timed("lower", async () => lowerCheckpoint(checkpoint));
    await checkpoint.close();
    expect(lowered.tensors.length).toBeGreaterThan(96 * 128 * 3);
    console.info(`${(fresh.elements / 1e9).toFixed(0)}B parameters, ${fresh.tensors} tensors: ${took.join(", ")}`);
  });

  test("misses a shard by name", async () => {
    await rm(join(folder, "model-00077-of-00128.safetensors"));
    expect((await collectCheckpoint(folder)).findings).toMatchObject([
      { code: "shard-missing", at: "model-00077-of-00128.safetensors" },
    ]);
  });
});

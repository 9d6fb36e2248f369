/** A small Llama checkpoint in four shards, whole and right, in a folder of its own: what tests of checkpoints break. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freshCheckpoint } from "../src/init/fresh-checkpoint.ts";
import { writeCheckpoint } from "../src/init/write-checkpoint.ts";

const CONFIG = {
  model_type: "llama",
  architectures: ["LlamaForCausalLM"],
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 48,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
};

export const SHARDS = [1, 2, 3, 4].map((number) => `model-0000${number}-of-00004.safetensors`);

/** Writes the checkpoint and gives its folder; another seed gives another revision of it. */
export async function tinyCheckpoint(seed = 7, config: Readonly<Record<string, number>> = {}): Promise<string> {
  const folder = join(await mkdtemp(join(tmpdir(), "s7l-checkpoint-")), "tiny");
  const values = { ...CONFIG, ...config };
  await writeCheckpoint(freshCheckpoint({ place: "config.json", values }, { seed, sharding: { count: 4 } }), folder);
  await writeFile(join(folder, "generation_config.json"), JSON.stringify({ eos_token_id: 2 }));
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify({ model: { type: "BPE" } }));
  return folder;
}

/** Removes what `tinyCheckpoint` made. */
export const removeCheckpoint = (folder: string): Promise<void> => rm(join(folder, ".."), { recursive: true });

/** The shipped configs at toy sizes: the same families and mechanisms in a few thousand parameters. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Config } from "../src/config.ts";
import { type JsonObject, parseJsonObject } from "../src/json.ts";

/** The folder of the shipped configs. */
export const CONFIGS = fileURLToPath(new URL("../../../configs", import.meta.url));

/** A shipped config, with keys replaced. */
export function shippedConfig(name: string, changes: JsonObject = {}): Config {
  const bytes = new Uint8Array(readFileSync(`${CONFIGS}/${name}.json`));
  return { place: "config.json", values: { ...parseJsonObject(bytes, name), ...changes } };
}

const hf = {
  vocab_size: 48,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 8,
  max_position_embeddings: 32,
};
const s7 = {
  vocab_size: 48,
  trunk_hidden: 16,
  trunk_layers: 2,
  trunk_heads: 2,
  trunk_ffn_dim: 32,
  expert_hidden: 8,
  expert_layers: 1,
  expert_heads: 1,
  expert_ffn_dim: 16,
};
const german = { vocab_size: 48, n_embd: 16, n_layer: 3, n_head: 2, n_experts: 3 };

const CHANGES: Readonly<Record<string, JsonObject>> = {
  "mixtral-1b": { ...hf, intermediate_size: 24, num_local_experts: 4 },
  "qwen2-moe-1b": {
    ...hf,
    num_key_value_heads: 2,
    intermediate_size: 32,
    moe_intermediate_size: 12,
    shared_expert_intermediate_size: 20,
    num_experts: 4,
    mlp_only_layers: [1],
  },
  "deepseek-v3-1b": {
    ...hf,
    num_key_value_heads: 2,
    intermediate_size: 24,
    moe_intermediate_size: 8,
    q_lora_rank: 12,
    kv_lora_rank: 8,
    qk_nope_head_dim: 8,
    qk_rope_head_dim: 4,
    v_head_dim: 6,
    n_routed_experts: 8,
  },
  "s7-140m": s7,
  "s7-140m-original": s7,
  "german-moe-gpt-v8": german,
  "german-moe-gpt-v8-149m": { ...german, bias: true },
  vpmoe: {
    tokenizer: { vocab_size: 48 },
    model: {
      num_layers: 4,
      hidden_size: 16,
      num_attention_heads: 4,
      num_query_groups: 2,
      head_dim: 4,
      ffn_hidden_size: 8,
      value_residual: true,
      qk_layernorm: true,
      softmax_type: "learnable",
      add_bias_linear: true,
      add_qkv_bias: true,
      activation: "squaredrelu",
      untied_embeddings: true,
    },
    moe: {
      num_experts: 8,
      topk: 4,
      shared_expert: true,
      shared_expert_size: 12,
      first_layer_dense: true,
      router_score_function: "sigmoid",
      router_topk_scaling_factor: 2.5,
      router_num_groups: 4,
      router_group_topk: 2,
      router_enable_expert_bias: true,
    },
  },
  "oracle-small": { ...hf, num_key_value_heads: 2, num_local_experts: 4, expert_hidden_mult: 1.5 },
  oracle850b: { ...hf, num_key_value_heads: 2, num_local_experts: 4, expert_hidden_mult: 1.5 },
};

/** Names of the shipped configs that have a toy size: all of them. */
export const SHRUNK = Object.keys(CHANGES);

/** A shipped config at toy size. */
export const shrunkConfig = (name: string): Config => shippedConfig(name, CHANGES[name] ?? {});

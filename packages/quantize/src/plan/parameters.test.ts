import { describe, expect, test } from "vitest";
import { shippedConfig } from "../../test/shrunk-configs.ts";
import type { JsonObject } from "../json.ts";
import { lowerConfig } from "../lower.ts";
import { type Plan, planModel } from "./plan.ts";

const planOf = (values: JsonObject): Plan => planModel(lowerConfig({ place: "config.json", values }));

describe("the shipped configs", () => {
  test.each([
    ["vpmoe", 6_021_784_719, 780_087_951, 368_259_727],
    ["german-moe-gpt-v8", 1_061_426_688, 212_080_128, 113_579_520],
    ["german-moe-gpt-v8-149m", 149_603_328, 99_271_680, 33_604_608],
    ["s7-140m-original", 174_981_120, 99_483_648, 68_026_368],
    ["s7-140m", 164_015_872, 87_312_640, 68_438_272],
    ["mixtral-1b", 996_836_352, 336_233_472, 270_697_472],
    ["qwen2-moe-1b", 1_001_489_408, 517_047_296, 205_882_368],
    ["deepseek-v3-1b", 998_659_552, 461_919_712, 197_154_272],
    ["oracle850b", 9_923_624_181_760, 182_638_354_432, 180_490_870_784],
  ])("%s has %i parameters, %i active, %i of them no embeddings", (name, total, active, activeNonEmbedding) => {
    const { parameters } = planModel(lowerConfig(shippedConfig(name)));
    expect(parameters).toMatchObject({ total, active, activeNonEmbedding });
  });

  test("vpmoe has 20,224 numbers in buffers that its authors do not count", () => {
    expect(planModel(lowerConfig(shippedConfig("vpmoe"))).parameters.buffers).toBe(20_224);
  });

  test("s7-140m-original is made of the components that the shapes of seed 001 give", () => {
    const { components } = planModel(lowerConfig(shippedConfig("s7-140m-original"))).parameters;
    expect(components).toEqual([
      { name: "embedding", parameters: 18_874_368 },
      { name: "trunk", parameters: 42_467_328 + 393_216 },
      { name: "head", parameters: 12_582_912 },
      ...[0, 1, 2, 3].map((e) => ({ name: `expert${e}`, parameters: 25_165_824 })),
    ]);
  });

  test.each(["mixtral-1b", "qwen2-moe-1b", "deepseek-v3-1b"])("%s is within 1 %% of a billion", (name) => {
    const { total } = planModel(lowerConfig(shippedConfig(name))).parameters;
    expect(Math.abs(total / 1e9 - 1)).toBeLessThan(0.01);
  });
});

const deepseek = {
  num_attention_heads: 16,
  kv_lora_rank: 512,
  qk_nope_head_dim: 128,
  qk_rope_head_dim: 64,
  v_head_dim: 128,
};

/** Sizes of the published config.json files, and totals of the published weights. */
const PUBLISHED: readonly (readonly [string, number, JsonObject])[] = [
  [
    "Mixtral-8x7B",
    46_702_792_704,
    {
      model_type: "mixtral",
      vocab_size: 32000,
      hidden_size: 4096,
      intermediate_size: 14336,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      num_local_experts: 8,
      num_experts_per_tok: 2,
      max_position_embeddings: 32768,
    },
  ],
  [
    "Qwen1.5-MoE-A2.7B",
    14_315_784_192,
    {
      model_type: "qwen2_moe",
      vocab_size: 151936,
      hidden_size: 2048,
      intermediate_size: 5632,
      moe_intermediate_size: 1408,
      shared_expert_intermediate_size: 5632,
      num_hidden_layers: 24,
      num_attention_heads: 16,
      num_key_value_heads: 16,
      num_experts: 60,
      num_experts_per_tok: 4,
      max_position_embeddings: 8192,
    },
  ],
  [
    "Qwen3-30B-A3B",
    30_532_122_624,
    {
      model_type: "qwen3_moe",
      vocab_size: 151936,
      hidden_size: 2048,
      intermediate_size: 6144,
      moe_intermediate_size: 768,
      num_hidden_layers: 48,
      num_attention_heads: 32,
      num_key_value_heads: 4,
      head_dim: 128,
      num_experts: 128,
      num_experts_per_tok: 8,
      norm_topk_prob: true,
      max_position_embeddings: 40960,
    },
  ],
  [
    "DeepSeek-V2-Lite",
    15_706_484_224,
    {
      model_type: "deepseek_v2",
      ...deepseek,
      vocab_size: 102400,
      hidden_size: 2048,
      intermediate_size: 10944,
      moe_intermediate_size: 1408,
      num_hidden_layers: 27,
      q_lora_rank: null,
      n_routed_experts: 64,
      n_shared_experts: 2,
      num_experts_per_tok: 6,
      first_k_dense_replace: 1,
      topk_method: "greedy",
      max_position_embeddings: 163840,
    },
  ],
  [
    "DeepSeek-V3",
    671_026_419_200,
    {
      model_type: "deepseek_v3",
      ...deepseek,
      vocab_size: 129280,
      hidden_size: 7168,
      intermediate_size: 18432,
      moe_intermediate_size: 2048,
      num_hidden_layers: 61,
      num_attention_heads: 128,
      q_lora_rank: 1536,
      n_routed_experts: 256,
      n_shared_experts: 1,
      num_experts_per_tok: 8,
      n_group: 8,
      topk_group: 4,
      first_k_dense_replace: 3,
      max_position_embeddings: 163840,
    },
  ],
];

test.each(PUBLISHED)("%s has its published %i parameters", (_, total, values) => {
  expect(planOf(values).parameters.total).toBe(total);
});

test("components add up to the total", () => {
  for (const [, total, values] of PUBLISHED.slice(0, 2)) {
    const { components } = planOf(values).parameters;
    expect(components.reduce((sum, { parameters }) => sum + parameters, 0)).toBe(total);
  }
});

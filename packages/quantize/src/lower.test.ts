import { expect, test } from "vitest";
import { CONFIGS, type FamilyName } from "../test/configs.ts";
import { memoryCheckpoint, randomTensors, type TestTensor, type TestTensors } from "../test/memory-checkpoint.ts";
import type { JsonObject } from "./json.ts";
import { lowerCheckpoint, lowerConfig } from "./lower.ts";

const lower = async (name: FamilyName, change: (tensors: TestTensors) => TestTensors, config: JsonObject = {}) =>
  lowerCheckpoint(await memoryCheckpoint({ ...CONFIGS[name], ...config }, change(randomTensors(CONFIGS[name]))));

const without = (name: string) => (tensors: TestTensors) =>
  Object.fromEntries(Object.entries(tensors).filter(([key]) => key !== name));
const plus = (name: string, tensor: TestTensor) => (tensors: TestTensors) => ({ ...tensors, [name]: tensor });
const one: TestTensor = { shape: [1], values: Float32Array.of(1) };
const norm = "model.layers.1.input_layernorm.weight";
const bytes = (dtype: string, ...shape: readonly number[]): TestTensor => ({
  shape,
  dtype,
  values: new Uint8Array(shape.reduce((n, size) => n * size, 1)),
});

test.each<readonly [string, FamilyName, (tensors: TestTensors) => TestTensors, string, RegExp]>([
  [
    "a missing tensor",
    "llama",
    without(norm),
    "tensor",
    /^tensor model\.layers\.1\.input_layernorm\.weight \[16\] is missing from the checkpoint$/,
  ],
  ["a missing head", "llama", without("lm_head.weight"), "tensor", /lm_head\.weight \[24, 16\] is missing/],
  [
    "a missing expert",
    "mixtral",
    without("model.layers.1.block_sparse_moe.experts.2.w3.weight"),
    "tensor",
    /experts\.2\.w3\.weight \[12, 16\] is missing/,
  ],
  [
    "a missing source of two tensors",
    "deepseek_v3",
    without("model.layers.0.self_attn.kv_b_proj.weight"),
    "tensor",
    /kv_b_proj\.weight \[44, 8\], the source of model\.layers\.0\.self_attn\.k_up_proj\.weight, is missing/,
  ],
  [
    "a missing S7 expert",
    "s7_llm_moe",
    without("expert3.out_proj.weight"),
    "tensor",
    /expert3\.out_proj\.weight \[8, 16\] is missing/,
  ],
  [
    "a tensor too many",
    "llama",
    plus("model.layers.0.self_attn.q_proj.bias", one),
    "tensor",
    /q_proj\.bias in model\.safetensors is no part of a llama model/,
  ],
  [
    "a layer too many",
    "mixtral",
    plus("model.layers.2.input_layernorm.weight", one),
    "tensor",
    /layers\.2\.input_layernorm\.weight .* is no part/,
  ],
  [
    "an expert too many",
    "qwen3_moe",
    plus("model.layers.0.mlp.experts.3.up_proj.weight", one),
    "tensor",
    /experts\.3\.up_proj\.weight .* is no part/,
  ],
  [
    "a wrong shape",
    "llama",
    plus(norm, one),
    "tensor",
    /input_layernorm\.weight in model\.safetensors has shape \[1\]; config\.json implies \[16\]/,
  ],
  [
    "a transposed matrix",
    "llama",
    plus("model.layers.0.mlp.up_proj.weight", { shape: [16, 20], values: new Float32Array(320) }),
    "tensor",
    /has shape \[16, 20\]; config\.json implies \[20, 16\]/,
  ],
  ["integers", "llama", plus(norm, bytes("I8", 16)), "unsupported", /is I8; F32, F16 or BF16 is needed/],
  [
    "FP8 weights",
    "deepseek_v3",
    plus("model.layers.0.self_attn.o_proj.weight_scale_inv", one),
    "unsupported",
    /o_proj\.weight_scale_inv .* quantized already/,
  ],
  [
    "MXFP4 weights",
    "gpt_oss",
    plus("model.layers.0.mlp.experts.gate_up_proj_blocks", bytes("U8", 4)),
    "unsupported",
    /gate_up_proj_blocks .* quantized already/,
  ],
])("%s is refused by name", async (_, family, change, code, message) => {
  await expect(lower(family, change)).rejects.toMatchObject({
    name: "QuantizeError",
    code,
    message: expect.stringMatching(message),
  });
});

test.each<readonly [string, FamilyName, (tensors: TestTensors) => TestTensors, JsonObject]>([
  ["old RoPE buffers", "llama", plus("model.layers.0.self_attn.rotary_emb.inv_freq", one), {}],
  ["a copy of a tied head", "llama", (tensors) => tensors, { tie_word_embeddings: true }],
  ["layers for predicting several tokens", "deepseek_v3", plus("model.layers.2.eh_proj.weight", one), {}],
  ["a router's noise", "moe_gpt", plus("transformer.h.0.moe.router.w_noise.weight", one), {}],
  ["a copy of German's tied head", "moe_gpt", plus("lm_head.weight", one), {}],
  ["the bias that vpMoE drops", "vpmoe", plus("decoder.layers.1.mlp.shared_experts.linear_fc2.bias", one), {}],
])("%s are not needed and do no harm", async (_, family, change, config) => {
  await expect(lower(family, change, config)).resolves.toMatchObject({ family });
});

const lacking = (values: JsonObject, key: string): JsonObject =>
  Object.fromEntries(Object.entries(values).filter(([name]) => name !== key));

const config = (values: JsonObject) => () => lowerConfig({ place: "config.json", values });

test.each<readonly [string, JsonObject, string, RegExp]>([
  ["no model_type", {}, "config", /lacks the key model_type/],
  ["an unknown model_type", { model_type: "gpt2" }, "unsupported", /model_type "gpt2"; supported: llama, .*s7_llm_moe/],
  ["a model_type of Object", { model_type: "constructor" }, "unsupported", /supported: llama/],
  [
    "quantized weights",
    { ...CONFIGS.llama, quantization_config: { quant_method: "fp8" } },
    "unsupported",
    /quantization_config.*give the checkpoint/,
  ],
  ["another activation", { ...CONFIGS.llama, hidden_act: "quick_gelu" }, "unsupported", /hidden_act = "quick_gelu"/],
  ["uneven heads", { ...CONFIGS.llama, num_key_value_heads: 3 }, "config", /4 heads, not a multiple of its 3/],
  [
    "no head size",
    { ...CONFIGS.llama, num_attention_heads: 3, num_key_value_heads: 3 },
    "config",
    /16 is not a multiple of 3/,
  ],
  ["an odd head size", { ...CONFIGS.llama, head_dim: 5 }, "unsupported", /rotates 5 dims/],
  [
    "an endless head",
    { ...CONFIGS.llama, hidden_size: 1 << 24, num_attention_heads: 1, num_key_value_heads: 1 },
    "unsupported",
    /rotates 16777216 dims/,
  ],
  ["endless layers", { ...CONFIGS.llama, num_hidden_layers: 1e9 }, "config", /num_hidden_layers = 1000000000/],
  [
    "endless tensors",
    { ...CONFIGS.mixtral, num_hidden_layers: 4096, num_local_experts: 4096 },
    "config",
    /cannot hold/,
  ],
  ["a width beyond the format", { ...CONFIGS.llama, intermediate_size: 1 << 20 }, "config", /cannot hold: .*width/],
  [
    "more experts chosen than there are",
    { ...CONFIGS.mixtral, num_experts_per_tok: 4 },
    "config",
    /cannot hold: router uses 4 of 3/,
  ],
  [
    "partial rotation where there is none",
    { ...CONFIGS.llama, partial_rotary_factor: 0.5 },
    "unsupported",
    /partial_rotary_factor/,
  ],
  [
    "windows without their layers",
    { ...CONFIGS.qwen2_moe, use_sliding_window: true, sliding_window: 8 },
    "unsupported",
    /no layer_types/,
  ],
  [
    "windows that are not used",
    { ...CONFIGS.qwen2_moe, layer_types: ["full_attention", "full_attention", "sliding_attention"] },
    "config",
    /use_sliding_window is false/,
  ],
  [
    "too few layer types",
    { ...CONFIGS.gpt_oss, layer_types: ["full_attention"] },
    "config",
    /1 layer_types for 2 layers/,
  ],
  [
    "another kind of layer",
    { ...CONFIGS.gpt_oss, layer_types: ["full_attention", "linear_attention"] },
    "unsupported",
    /"linear_attention"/,
  ],
  [
    "another way to choose",
    { ...CONFIGS.deepseek_v2, topk_method: "noaux_tc" },
    "unsupported",
    /topk_method = "noaux_tc"/,
  ],
  ["another score", { ...CONFIGS.deepseek_v3, scoring_func: "softmax" }, "unsupported", /scoring_func/],
  ["no groups by null", { ...CONFIGS.deepseek_v3, n_group: null }, "unsupported", /n_group or topk_group null/],
  [
    "groups chosen by null",
    { ...CONFIGS.deepseek_v3, topk_group: null },
    "unsupported",
    /n_group or topk_group null, .*leave both out for 8 and 4/,
  ],
  [
    "more groups chosen than there are",
    { ...lacking(CONFIGS.deepseek_v3, "topk_group"), n_group: 2 },
    "config",
    /8 experts in 2 groups, of which 4 take part/,
  ],
  [
    "positions that versions read differently",
    { ...CONFIGS.gpt_oss, rope_scaling: null },
    "unsupported",
    /YaRN in transformers 5 and no scaling in 4; leave the key out/,
  ],
  [
    "empty positions",
    { ...CONFIGS.gpt_oss, rope_scaling: {} },
    "unsupported",
    /YaRN in transformers 5 and no scaling in 4; leave the key out/,
  ],
  ["groups that do not divide", { ...CONFIGS.deepseek_v3, n_group: 3 }, "config", /8 experts in 3 groups/],
  ["every second layer sparse", { ...CONFIGS.deepseek_v3, moe_layer_freq: 2 }, "unsupported", /moe_layer_freq/],
  ["swiglu in dense layers", { ...CONFIGS.moe_gpt, activation_function: "swiglu" }, "unsupported", /swiglu/],
  ["an untied German head", { ...CONFIGS.moe_gpt, tie_word_embeddings: false }, "unsupported", /always tied/],
  ["the other vpMoE", { model_type: "vpmoe", hidden_size: 16 }, "config", /another model/],
  [
    "a gated vpMoE",
    { ...CONFIGS.vpmoe, model: { ...CONFIGS.vpmoe.model, gated_linear_unit: true } },
    "unsupported",
    /gated_linear_unit/,
  ],
  [
    "heads that are not the width",
    { ...CONFIGS.vpmoe, model: { ...CONFIGS.vpmoe.model, head_dim: 8 } },
    "config",
    /4 heads of 8/,
  ],
  [
    "the original's int8 checkpoint",
    { ...CONFIGS.s7_llm_moe, arithmetic: "s7-int8-original" },
    "unsupported",
    /give the float one/,
  ],
  [
    "an S7 with norms and a head of its own",
    { ...CONFIGS.s7_llm_moe, tie_word_embeddings: false },
    "unsupported",
    /tie_word_embeddings false/,
  ],
  [
    "a vpMoE that scores all experts before it chooses",
    {
      ...CONFIGS.vpmoe,
      moe: {
        ...CONFIGS.vpmoe.moe,
        router_score_function: "softmax",
        router_enable_expert_bias: false,
        router_group_topk: null,
        router_pre_softmax: true,
      },
    },
    "unsupported",
    /router_pre_softmax/,
  ],
  ["another norm of S7", { ...CONFIGS.s7_llm_moe, norm: "layer" }, "unsupported", /norm = "layer"/],
  [
    "a route to an absent expert",
    { ...CONFIGS.s7_llm_moe, num_experts: 3 },
    "config",
    /routes general to expert 3, but has 3 experts/,
  ],
  ["a router without domains", { ...CONFIGS.s7_llm_moe, router: { type: "lexical" } }, "config", /no list of domains/],
  [
    "a router that falls back on nothing",
    { ...CONFIGS.s7_llm_moe, router: { domains: [], fallback: "x", windowBytes: 64 } },
    "config",
    /none of its domains/,
  ],
  [
    "a router with a stray key",
    {
      ...CONFIGS.s7_llm_moe,
      router: {
        domains: [
          { name: "x", expert: 0, triggers: [], regex: "a" },
          { name: "y", expert: 1, triggers: ["a"], regex: "" },
        ],
        fallback: "x",
        windowBytes: 64,
      },
    },
    "config",
    /not a routing table: .*regex/,
  ],
  ["a fraction of a head", { ...CONFIGS.oracle_moe, rotary_pct: 0.3 }, "config", /rotary_pct must give a whole number/],
])("%s: the config is refused", (_, values, code, message) => {
  expect(config(values)).toThrow(
    expect.objectContaining({ name: "QuantizeError", code, message: expect.stringMatching(message) }),
  );
});

test("a trigger that a routing table lists twice is sealed once, in its first place", () => {
  const domain = { name: "x", expert: 0, triggers: ["b", "a", "b", "a"] };
  const router = { domains: [domain, { name: "y", expert: 1, triggers: [] }], fallback: "y", windowBytes: 64 };
  const { lexical } = lowerConfig({ place: "config.json", values: { ...CONFIGS.s7_llm_moe, router } });
  expect(lexical?.domains.map(({ triggers }) => triggers)).toEqual([["b", "a"]]);
});

test("a qkv_bias that is null is none, as in transformers", () => {
  const foldOf = (qkv_bias?: boolean | null) =>
    config({ ...CONFIGS.qwen2_moe, ...(qkv_bias === undefined ? {} : { qkv_bias }) })().fold;
  expect(foldOf(null)).toEqual(foldOf(false));
  expect(foldOf()).toEqual(foldOf(true));
  expect(foldOf(true)).not.toEqual(foldOf(false));
});

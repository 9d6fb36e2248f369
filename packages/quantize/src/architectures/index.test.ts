import { encodeCanonical, sha256, tensorPlan, toHex } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { CONFIGS, FAMILY_NAMES, type FamilyName, VARIANTS } from "../../test/configs.ts";
import { memoryCheckpoint, randomTensors } from "../../test/memory-checkpoint.ts";
import { elementsOf, type View, whole } from "../checkpoint/view.ts";
import type { JsonObject } from "../json.ts";
import { lowerCheckpoint, lowerConfig } from "../lower.ts";
import { quantize } from "../quantize.ts";
import { FAMILIES } from "./index.ts";

test("each family is here once, under the model_type of a config that these tests have", () => {
  expect(FAMILIES.map(({ modelType }) => modelType).sort()).toEqual([...FAMILY_NAMES].sort());
});

const lower = (name: FamilyName) => lowerConfig({ place: "config.json", values: CONFIGS[name] });

/**
 * Folds and tensor names are sealed: a change here is another artifact for the same checkpoint. The digests are of the
 * canonical fold and of the plan's names; a new mechanism must leave them as they are.
 */
const SEALED: Readonly<Record<FamilyName, string>> = {
  llama: "4bf325dfa915d845",
  mixtral: "cd7203d215cb6ba7",
  qwen2_moe: "8578dafd61017057",
  qwen3_moe: "f6b5b838273cf942",
  deepseek_v2: "e1b805de31b7ad26",
  deepseek_v3: "77ae72c1f6faeac9",
  gpt_oss: "441fb19a6acbd8e9",
  moe_gpt: "4c37024f6d145f09",
  vpmoe: "8a2dfd780b1a0c2f",
  s7_llm_moe: "625ccd3b2395a6af",
  oracle_moe: "56b615d89949016d",
};

describe.each(FAMILY_NAMES)("%s", (name) => {
  test("lowers to the fold that was always sealed for this config", () => {
    const { fold, lexical } = lower(name);
    const names = tensorPlan(fold).map((tensor) => tensor.name);
    expect(
      toHex(sha256(encodeCanonical(fold), encodeCanonical(lexical ?? {}), encodeCanonical(names))).slice(0, 16),
    ).toBe(SEALED[name]);
  });

  test("gives every planned tensor a source, and the whole checkpoint a use", async () => {
    const checkpoint = await memoryCheckpoint(CONFIGS[name], randomTensors(CONFIGS[name]));
    const { tensors, fold } = lowerCheckpoint(checkpoint);
    expect(tensors.map(({ tensor }) => tensor)).toEqual(tensorPlan(fold));
    const read = new Set(
      tensors.flatMap(({ source }) =>
        source.kind === "view" ? [source.tensor] : source.inputs.map((view) => view.tensor),
      ),
    );
    expect([...checkpoint.tensors.keys()].filter((stored) => !read.has(stored))).toEqual([]);
  });

  test("quantizes to spans of the planned sizes", async () => {
    const weights = quantize(await memoryCheckpoint(CONFIGS[name], randomTensors(CONFIGS[name])));
    for (const tensor of tensorPlan(weights.fold)) {
      for await (const _ of weights.span(tensor));
      expect(weights.sourceDigest(tensor)).toHaveLength(32);
    }
    expect(weights.report().tensors).toHaveLength(tensorPlan(weights.fold).length);
  });
});

const ALL: Readonly<Record<string, JsonObject>> = { ...CONFIGS, ...VARIANTS };

test.each(Object.keys(ALL))("%s: each stored element goes to exactly one place", async (name) => {
  const config = ALL[name] ?? {};
  const checkpoint = await memoryCheckpoint(config, randomTensors(config));
  const lowered = lowerCheckpoint(checkpoint);
  const seen = new Map<string, Uint8Array>();
  for (const { source } of lowered.tensors) {
    for (const view of source.kind === "view" ? [source] : source.inputs) {
      const counts = seen.get(view.tensor) ?? new Uint8Array(elementsOf(whole(view.tensor, ...view.shape)));
      seen.set(view.tensor, counts);
      for (const i of indicesOf(view)) counts[i] = (counts[i] ?? 0) + 1;
    }
  }
  expect([...seen.keys()].sort()).toEqual([...checkpoint.tensors.keys()].sort());
  for (const [stored, counts] of seen) expect([stored, [...new Set(counts)]]).toEqual([stored, [1]]);
});

function indicesOf({ offset, axes }: View): readonly number[] {
  return axes.reduce<readonly number[]>(
    (bases, { size, stride }) => bases.flatMap((base) => Array.from({ length: size }, (_, i) => base + i * stride)),
    [offset],
  );
}

const COMMON = ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"];
const REQUIRED: Readonly<Record<FamilyName, readonly string[]>> = {
  llama: [...COMMON, "intermediate_size"],
  mixtral: [...COMMON, "intermediate_size", "num_local_experts", "num_experts_per_tok"],
  qwen2_moe: [
    ...COMMON,
    "intermediate_size",
    "moe_intermediate_size",
    "num_experts",
    "num_experts_per_tok",
    "shared_expert_intermediate_size",
  ],
  qwen3_moe: [...COMMON, "intermediate_size", "moe_intermediate_size", "num_experts", "num_experts_per_tok"],
  deepseek_v2: [
    ...COMMON,
    "kv_lora_rank",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "v_head_dim",
    "n_routed_experts",
    "moe_intermediate_size",
    "intermediate_size",
    "num_experts_per_tok",
  ],
  deepseek_v3: [
    ...COMMON,
    "kv_lora_rank",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "v_head_dim",
    "n_routed_experts",
    "moe_intermediate_size",
    "intermediate_size",
    "num_experts_per_tok",
  ],
  gpt_oss: [...COMMON, "intermediate_size", "num_local_experts", "num_experts_per_tok"],
  moe_gpt: ["vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "n_experts", "n_experts_active"],
  vpmoe: ["tokenizer", "attention", "grape", "moe"],
  s7_llm_moe: [
    "vocab_size",
    "trunk_hidden",
    "trunk_layers",
    "trunk_heads",
    "trunk_ffn_dim",
    "expert_hidden",
    "expert_layers",
    "expert_heads",
    "expert_ffn_dim",
    "num_experts",
    "max_context",
  ],
  oracle_moe: ["vocab_size"],
};

test.each(FAMILY_NAMES.flatMap((name) => REQUIRED[name].map((key) => [name, key] as const)))(
  "%s without %s is refused by the key's name",
  (name, key) => {
    const values: JsonObject = { ...CONFIGS[name], [key]: null };
    expect(() => lowerConfig({ place: "config.json", values })).toThrow(
      expect.objectContaining({ name: "QuantizeError", code: "config", message: expect.stringContaining(key) }),
    );
  },
);

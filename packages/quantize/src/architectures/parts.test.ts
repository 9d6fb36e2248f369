import type { Layer } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { CONFIGS } from "../../test/configs.ts";
import type { JsonObject } from "../json.ts";
import { lowerConfig } from "../lower.ts";

function layers(values: JsonObject): readonly Layer[] {
  const [stage] = lowerConfig({ place: "config.json", values }).fold.stages;
  return stage?.kind === "layers" ? stage.stack.kinds : [];
}

/** Of every FFN of a fold: dense, routed and shared. */
const activations = (values: JsonObject): readonly unknown[] =>
  layers(values)
    .flatMap(({ ffn }) => (ffn.kind === "experts" ? [ffn.expert, ...(ffn.shared ? [ffn.shared.ffn] : [])] : [ffn]))
    .map((ffn) => ("activation" in ffn ? ffn.activation : ffn.kind));

describe.each(["llama", "mixtral", "qwen2_moe", "qwen3_moe", "deepseek_v2", "deepseek_v3", "oracle_moe"] as const)(
  "%s",
  (family) => {
    test.each([
      ["silu", "silu"],
      ["swish", "silu"],
      ["gelu", "geluErf"],
      ["gelu_new", "geluTanh"],
      ["gelu_pytorch_tanh", "geluTanh"],
      ["relu", "relu"],
    ])("puts the gate of every FFN through %s", (hidden_act, activation) => {
      expect(new Set(activations({ ...CONFIGS[family], hidden_act }))).toEqual(new Set([activation]));
    });
  },
);

test.each([
  ["mixtral", 8],
  ["qwen2_moe", 16],
  ["qwen3_moe", 4],
] as const)("%s has %i keys and values where its config does not say", (family, kvHeads) => {
  const { num_key_value_heads: _, ...rest } = CONFIGS[family];
  const [layer] = layers({ ...rest, num_attention_heads: 16, hidden_size: 64, head_dim: 4 });
  expect(layer?.attention).toMatchObject({ heads: 16, kvHeads });
});

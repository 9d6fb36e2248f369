import { expect, test } from "vitest";
import { CONFIGS } from "../test/configs.ts";
import type { Json } from "./json.ts";
import { lowerConfig } from "./lower.ts";

const lower = (key: string, value: Json) =>
  lowerConfig({ place: "config.json", values: { ...CONFIGS.llama, [key]: value } });

test.each<[string, Json, Json]>([
  ["attn_logit_softcapping", 50, 0],
  ["final_logit_softcapping", 30, null],
  ["logits_soft_cap", 30, false],
  ["embedding_multiplier", 12, 1],
  ["residual_multiplier", 0.22, 1],
  ["attention_multiplier", 0.0078125, null],
  ["logits_scaling", 16, 1],
  ["logit_scale", 0.0625, 1],
  ["scale_emb", 12, 1],
  ["clip_qkv", 8, null],
  ["is_causal", false, true],
])("a config that asks for %s = %j is refused by name, and %j asks for nothing", (key, asked, neutral) => {
  expect(() => lower(key, asked)).toThrow(
    expect.objectContaining({
      name: "QuantizeError",
      code: "unsupported",
      message: expect.stringContaining(`${key} = ${JSON.stringify(asked)}`),
    }),
  );
  expect(lower(key, neutral).fold).toEqual(lower("use_cache", true).fold);
});

test("a factor of capacity is none of these", () => {
  expect(() => lower("capacity_factor", 1.25)).not.toThrow();
});

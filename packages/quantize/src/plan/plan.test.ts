import { describe, expect, test } from "vitest";
import { shippedConfig } from "../../test/shrunk-configs.ts";
import { lowerConfig } from "../lower.ts";
import { planModel } from "./plan.ts";

const plan = planModel(lowerConfig(shippedConfig("s7-140m-original")));

describe("planModel", () => {
  test("gives bytes by format", () => {
    const { bytes, parameters } = plan;
    expect(bytes).toMatchObject({ fp32: 699_924_480, bf16: 349_962_240, int8: 174_981_120, padded: 174_981_120 });
    // One f32 scale a row, 256 bytes of frequencies, and no norms.
    const rows = 24_576 * 2 + 6 * (5 * 768 + 3072) + 512 + 4 * 8 * (5 * 512 + 2048);
    expect(bytes.sealed).toBe(parameters.total + 4 * rows + 256);
  });

  test("gives what one expert takes, and all but the experts", () => {
    const { expert, bytes } = plan;
    expect(expert).toMatchObject({ count: 4, parameters: 25_165_824 });
    expect(4 * (expert?.bytes ?? 0) + (expert?.others ?? 0)).toBe(bytes.sealed);
  });

  test("multiplies a token with the head, not with an embedding that is only looked up", () => {
    expect(plan.work.trained).toBe(68_026_368 + 12_582_912);
    const tied = planModel(lowerConfig(shippedConfig("s7-140m")));
    expect(tied.work.trained).toBe(tied.parameters.active);
  });

  test("has no expert where the model has none", () => {
    const dense = lowerConfig({
      place: "config.json",
      values: {
        model_type: "llama",
        vocab_size: 48,
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 1,
        num_attention_heads: 2,
      },
    });
    const { expert, parameters } = planModel(dense);
    expect(expert).toBeUndefined();
    expect(parameters.active).toBe(parameters.total);
  });

  test("keeps what inference does not need out of the sealed bytes, and in the total", () => {
    const { parameters, bytes } = planModel(lowerConfig(shippedConfig("german-moe-gpt-v8-149m")));
    const noise = parameters.components.find(({ name }) => name === "unused");
    // Four of eight layers have a router of 8 × 512, and noise of the same shape.
    expect(noise?.parameters).toBe(4 * 8 * 512);
    expect(bytes.int8 - bytes.padded).toBe(noise?.parameters);
  });
});

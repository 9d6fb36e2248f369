import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { SHRUNK, shippedConfig, shrunkConfig } from "../../test/shrunk-configs.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { lowerConfig } from "../lower.ts";
import { classicTensors } from "./classic-tensors.ts";

describe("classicTensors", () => {
  test.each(SHRUNK)("%s: names stand once, in order", (name) => {
    const names = classicTensors(lowerConfig(shrunkConfig(name))).map((tensor) => tensor.name);
    expect(names).toEqual([...new Set(names)].sort());
  });

  test("starts gains at 1, biases at 0, matrices normal", () => {
    const fills = new Map(
      classicTensors(lowerConfig(shrunkConfig("german-moe-gpt-v8-149m"))).map((t) => [t.name, t.fill]),
    );
    expect(fills.get("transformer.h.0.ln_1.weight")).toEqual({ constant: 1 });
    expect(fills.get("transformer.h.0.ln_1.bias")).toEqual({ constant: 0 });
    expect(fills.get("transformer.h.0.attn.c_attn.weight")).toBe("normal");
    expect(fills.get("transformer.h.0.moe.experts.fc_bias")).toEqual({ constant: 0 });
  });

  test("starts vpMoE's frequencies as its authors do: 16 ln 10000^(-2i/D)", () => {
    const tensors = classicTensors(lowerConfig(shrunkConfig("vpmoe")));
    const fill = tensors.find(({ name }) => name === "rotary_pos_emb.log_freq")?.fill;
    if (!fill || fill === "normal" || !("values" in fill)) throw new Error("no values");
    expect(fill.values).toHaveLength(2);
    expect(fill.values[0]).toBe(0);
    expect(fill.values[1]).toBeCloseTo(-16 * 0.5 * Math.log(10000), 4);
  });

  test("leaves buffers in the checkpoint and out of the count", () => {
    const buffers = classicTensors(lowerConfig(shippedConfig("vpmoe"))).filter(({ buffer }) => buffer);
    expect(buffers).toHaveLength(79);
    expect(buffers[0]).toMatchObject({ name: "decoder.layers.1.mlp.router.expert_bias", shape: [256] });
  });
});

const shared = fileURLToPath(new URL("../../../../../shared", import.meta.url));
const reference = join(shared, "reference");
const available = existsSync(reference);
// Fused cases hold the same model in another layout, which is read and never written.
const cases = available
  ? readdirSync(reference).filter((name) => !/^(README|s7-int8)|-fused$|-v5default$/.test(name))
  : [];

describe.skipIf(!available)("the reference checkpoints", () => {
  test.each(cases)("%s has exactly the tensors that its config implies", async (name) => {
    const checkpoint = await openCheckpoint(join(reference, name));
    try {
      const lowered = lowerConfig(checkpoint.config);
      const implied = new Map(classicTensors(lowered).map((tensor) => [tensor.name, tensor.shape]));
      const stored = [...checkpoint.tensors.values()].map((tensor) => [tensor.name, tensor.shape] as const);
      // What a checkpoint may carry without need and a fresh one does not: a tied head's copy.
      const copies = stored.filter(([tensor]) => tensor === "lm_head.weight" && lowered.ignores(tensor));
      expect(new Map(stored.filter((tensor) => !copies.includes(tensor)))).toEqual(implied);
    } finally {
      await checkpoint.close();
    }
  });
});

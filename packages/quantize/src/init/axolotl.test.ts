import { describe, expect, test } from "vitest";
import { readAxolotl } from "./axolotl.ts";

const read = (text: string) => readAxolotl(text, "init.yml");

describe("readAxolotl", () => {
  test("takes a whole config, and names the keys that make no model", () => {
    const model = read(`
base_model: mistralai/Mixtral-8x7B-v0.1
random_init_weights: true
model_config:
  model_type: mixtral
  hidden_size: 1024
  rms_norm_eps: 1e-5
overrides_of_model_config:
  hidden_size: 512
seed: 42
bf16: auto
plugins:
  - axolotl.integrations.moe_kernels.plugin.MoeOptimizedPlugin
moe_kernels: true
learning_rate: 3e-4
`);
    expect(model).toEqual({
      values: { torch_dtype: "bfloat16", model_type: "mixtral", hidden_size: 512, rms_norm_eps: 1e-5 },
      seed: 42,
      unused: ["base_model", "plugins", "moe_kernels", "learning_rate"],
    });
  });

  test("starts from base_model_config, else from base_model", () => {
    const start = "random_init_weights: true\nbase_model: ./here\n";
    expect(read(`${start}base_model_config: ./config.json`)).toMatchObject({
      base: "./config.json",
      unused: ["base_model"],
    });
    expect(read(start)).toMatchObject({ base: "./here", unused: [] });
  });

  test.each([
    ["MixtralForCausalLM", "mixtral"],
    ["Qwen2MoeForCausalLM", "qwen2_moe"],
    ["DeepseekV3ForCausalLM", "deepseek_v3"],
    ["GptOssForCausalLM", "gpt_oss"],
  ])("knows the family of the class %s where nothing else names one", (name, family) => {
    const { values } = read(`random_init_weights: true\nmodel_type: ${name}\nmodel_config: {}`);
    expect(values).toEqual({ model_type: family });
  });

  test("lets an Auto class say nothing", () => {
    const { values } = read("random_init_weights: true\nmodel_type: AutoModelForCausalLM\nbase_model: x");
    expect(values).toEqual({});
  });

  test.each([
    ["fp16: true", { torch_dtype: "float16" }],
    ["torch_dtype: torch.float32", { torch_dtype: "float32" }],
    ["bf16: false", {}],
  ])("reads the dtype of %j", (line, values) => {
    expect(read(`random_init_weights: true\nbase_model: x\n${line}`).values).toEqual(values);
  });

  test.each([
    ["random_init_weights: false", "unsupported", /does not say random_init_weights: true/],
    ["base_model: x", "unsupported", /does not say random_init_weights: true/],
    ["random_init_weights: true", "config", /names no model/],
    ["random_init_weights: true\nbase_model: [1]", "config", /base_model that is not a path/],
    ["random_init_weights: true\nmodel_config: 3", "config", /model_config that is not a map/],
    ["random_init_weights: true\nbase_model: x\nseed: -1", "config", /seed that is not a whole number/],
    ["a: 1\na: 2", "config", /is not YAML: Map keys must be unique/],
    ["a: [1", "config", /is not YAML/],
    ["- 1", "config", /is not a map/],
    ["", "config", /is not a map/],
    [bomb(), "config", /repeats itself too often/],
    [`a: ${"x".repeat(1 << 20)}`, "config", /more than 1048576 characters/],
  ])("refuses %j", (text, code, message) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({ name: "QuantizeError", code, message: expect.stringMatching(message) }),
    );
  });
});

test.each([
  ["brackets", "[".repeat(1000) + "]".repeat(1000)],
  ["brackets after some that close nothing", "]".repeat(1000) + "[".repeat(1000)],
  ["maps in one line", "{a: ".repeat(1000)],
  ["lists in one line", "- ".repeat(500_000)],
  ["keys in one line", "? ".repeat(1000)],
  ["lines, each further in", Array.from({ length: 1000 }, (_, i) => `${" ".repeat(i)}a:`).join("\n")],
  ["lines at the bound of indentation", Array.from({ length: 128 }, (_, i) => `${" ".repeat(i)}a:`).join("\n")],
  ["aliases, each in the next", chain(99)],
  ["a list that holds itself", "a: &a [*a]"],
  ["a map that holds itself", "&a {b: *a}"],
])("refuses a file that nests without end: %s", (_, text) => {
  expect(() => read(text)).toThrow(
    expect.objectContaining({
      name: "QuantizeError",
      message: "init.yml nests more than 64 deep, or holds itself by an alias",
    }),
  );
});

test("refuses more aliases than can be looked for soon", () => {
  expect(() => read(chain(20_000))).toThrow("init.yml has 20000 aliases; 100 are the most");
});

test("takes a file that nests as files do, however long its lists and texts", () => {
  const list = Array.from({ length: 200 }, (_, i) => `{a: ${i}, b: [1, 2]}`).join(", ");
  const text = `random_init_weights: true\nbase_model: x\nmodel_config:\n  a: [${list}]\n  b: |\n${" ".repeat(300)}text\nc: "${"[".repeat(100)}" # ${"{".repeat(100)}\n${" ".repeat(300)}# far out\n${" ".repeat(300)}\nd: 1\n`;
  expect(read(text).values).toHaveProperty("b", "text\n");
});

/** Nine levels of lists of nine aliases. */
function bomb(): string {
  const levels = Array.from(
    { length: 9 },
    (_, i) =>
      `l${i}: &l${i} [${Array(9)
        .fill(i === 0 ? "x" : `*l${i - 1}`)
        .join(", ")}]`,
  );
  return levels.join("\n");
}

/** A list, and so many more, each of which holds the one before. */
function chain(length: number): string {
  return ["l0: &l0 []", ...Array.from({ length }, (_, i) => `l${i + 1}: &l${i + 1} [*l${i}]`)].join("\n");
}

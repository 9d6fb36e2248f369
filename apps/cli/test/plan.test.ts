import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { objectOf, s7l } from "./binary.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-plan-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("s7l plan", () => {
  test("--json gives the counts and bytes of a shipped config", async () => {
    const outcome = await s7l(["plan", "german-moe-gpt-v8-149m", "--json"]);
    expect(outcome).toMatchObject({ code: 0, stderr: "" });
    expect(objectOf(outcome)).toMatchObject({
      total: 149_603_328,
      active: 99_271_680,
      activeNonEmbedding: 33_604_608,
      bytes: { fp32: 598_413_312, bf16: 299_206_656, int8: 149_603_328, padded: 149_586_944 },
      context: 2048,
      expert: { count: 8, parameters: 8_388_608 },
    });
  });

  test("prints tables for people: the layout of seed 001 §8 among them", async () => {
    const { code, stdout } = await s7l(["plan", "s7-140m"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^s7-140m: s7_llm_moe, context 2,048$/m);
    expect(stdout).toMatch(/total +164,015,872/);
    expect(stdout).toMatch(/expert\{expert\}\.layer\{layer\}\.ffn\.fc1\.weight +\[2048, 512\] +1,048,576 +1,048,576/);
    expect(stdout).toMatch(/2,048 positions +56,819,712/);
  });

  test("--compare prints published figures beside ours, and says what contradicts them", async () => {
    const { code, stdout } = await s7l(["plan", "s7-140m-original", "--compare"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/§2: trunk layers \(×6\) +~2M +42,467,328 +× 21\.2 +differs: six layers of width 768/);
    expect(stdout).toMatch(/§2: embedding +18\.9M +18,874,368 +agrees/);
    expect(stdout).toMatch(/\d+ of \d+ published figures follow from the shapes/);
  });

  test("--compare --json gives each figure with its difference", async () => {
    const { compare } = objectOf(await s7l(["plan", "oracle850b", "--compare", "--json"]));
    expect(compare).toMatchObject({
      seed: "000",
      figures: expect.arrayContaining([
        expect.objectContaining({ published: "850B", ours: 9_923_624_181_760, agrees: false }),
        expect.objectContaining({ published: "180-220B", ours: 182_638_354_432, agrees: true, difference: 0 }),
      ]),
    });
  });

  test("--tokens adds the training budget", async () => {
    const words = [
      "plan",
      "s7-140m",
      "--tokens",
      "50B",
      "--gpus",
      "16",
      "--gpu-hour-price",
      "3",
      "--utilisation",
      "0.5",
    ];
    const { training } = objectOf(await s7l([...words, "--json"]));
    const flops = 6 * 87_312_640 * 50e9;
    expect(training).toMatchObject({ tokens: 50e9, gpus: 16, hourPrice: 3, utilisation: 0.5, tflops: 312, flops });
    const { stdout } = await s7l(words);
    expect(stdout).toMatch(/GPU-hours +47$/m);
    expect(stdout).toMatch(/cost +140$/m);
  });

  test("--quiet prints the total alone", async () => {
    expect(await s7l(["plan", "mixtral-1b", "--quiet"])).toEqual({ code: 0, stdout: "996,836,352\n", stderr: "" });
  });

  test("reads an Axolotl file and names what it does not use, to people on one line and in the object", async () => {
    const file = join(folder, "init.yml");
    await writeFile(
      file,
      'random_init_weights: true\nbase_model_config: mixtral-1b\nmoe_kernels: true\n"learning\\nrate": 3e-4\n',
    );
    const { stderr } = await s7l(["plan", file]);
    expect(stderr).toBe(`${file}: not used here: moe_kernels, learning rate\n`);
    const object = await s7l(["plan", file, "--json"]);
    expect(object.stderr).toBe("");
    expect(objectOf(object)).toMatchObject({ total: 996_836_352, unusedKeys: ["moe_kernels", "learning\nrate"] });
    expect((await s7l(["plan", file, "--quiet"])).stderr).toBe("");
  });

  test.each([
    [["nowhere"], 2, /is no file, no folder and no shipped config; shipped configs: deepseek-v3-1b/],
    [["mixtral-1b", "--gpus", "4"], 2, /a training budget needs --tokens N/],
    [["mixtral-1b", "--tokens", "many"], 2, /--tokens many is not a number such as 50B/],
    [["mixtral-1b", "--tokens", "0"], 2, /--tokens 0 is not a number/],
    [["mixtral-1b", "--utilisation", "1.5"], 2, /--utilisation 1.5 is not a number from 0.0001 to 1/],
    [["oracle-small", "--compare"], 1, /no seed publishes figures of oracle-small/],
    [[], 2, /CONFIG is missing/],
  ])("plan %j exits with %i and a sentence", async (words, code, message) => {
    const outcome = await s7l(["plan", ...words]);
    expect(outcome.code).toBe(code);
    expect(outcome.stdout).toBe("");
    expect(outcome.stderr).toMatch(message);
  });

  test.each([
    ['{"hidden_size": 8}', /lacks the key model_type/],
    ['{"model_type": "bert"}', /model_type "bert"; supported: llama, mixtral/],
    ['{"model_type": "mixtral"}', /lacks the key/],
    ['{"model_type": "mixtral", "model_type": "llama"}', /holds the key "model_type" twice/],
    ["[]", /is JSON, but not a map/],
    ["{", /is not JSON/],
  ])("refuses the config %s", async (text, message) => {
    const file = join(folder, "config.json");
    await writeFile(file, text);
    const outcome = await s7l(["plan", file]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(message);
  });
});

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CONFIGS, SHRUNK } from "../../test/shrunk-configs.ts";
import { configNames, readModelConfig } from "./model-config.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-config-"));
  await mkdir(join(folder, "model"));
  await mkdir(join(folder, "s7", "trunk_final"), { recursive: true });
  await mkdir(join(folder, "empty"));
  await writeFile(join(folder, "model", "config.json"), '{"model_type": "llama"}');
  await writeFile(join(folder, "s7", "trunk_final", "config.json"), '{"model_type": "s7_llm_moe"}');
  await writeFile(join(folder, "twice.json"), '{"a": 1, "a": 2}');
  await writeFile(join(folder, "notes.txt"), "");
  const yaml = (lines: string) => `random_init_weights: true\n${lines}`;
  await writeFile(
    join(folder, "local.yml"),
    yaml("base_model_config: ./model\nmodel_config: {hidden_size: 8}\nseed: 3\nepochs: 1"),
  );
  await writeFile(join(folder, "named.yaml"), yaml("base_model_config: mixtral-1b"));
  await writeFile(join(folder, "hub.yml"), yaml("base_model: mistralai/Mixtral-8x7B-v0.1"));
});
afterAll(() => rm(folder, { recursive: true }));

const read = (word: string) => readModelConfig(join(folder, word), CONFIGS);

describe("readModelConfig", () => {
  test.each([
    ["model", { model_type: "llama" }],
    ["model/config.json", { model_type: "llama" }],
    ["s7", { model_type: "s7_llm_moe" }],
  ])("reads %s", async (word, values) => {
    expect((await read(word)).config.values).toEqual(values);
  });

  test("reads a shipped config by its name", async () => {
    expect((await readModelConfig("vpmoe", CONFIGS)).config.values.model_type).toBe("vpmoe");
  });

  test("reads an Axolotl file over the config that it starts from", async () => {
    expect(await read("local.yml")).toEqual({
      config: { place: "local.yml", values: { model_type: "llama", hidden_size: 8 } },
      seed: 3,
      unused: ["epochs"],
    });
    expect((await read("named.yaml")).config.values.hidden_size).toBe(1024);
  });

  test.each([
    ["nowhere", "checkpoint", /is no file, no folder and no shipped config; shipped configs: deepseek-v3-1b, german/],
    ["empty", "checkpoint", /is a folder without config.json/],
    ["notes.txt", "checkpoint", /neither JSON nor YAML/],
    ["twice.json", "config", /holds the key "a" twice/],
    ["hub.yml", "checkpoint", /starts from mistralai\/Mixtral-8x7B-v0.1, which is neither here nor a shipped config/],
  ])("refuses %s", async (word, code, message) => {
    await expect(read(word)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

test("every shipped config is tested at toy size", async () => {
  expect([...SHRUNK].sort()).toEqual(await configNames(CONFIGS));
});

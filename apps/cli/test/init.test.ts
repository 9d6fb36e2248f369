import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { objectOf, s7l } from "./binary.ts";

const CONFIG = {
  model_type: "mixtral",
  vocab_size: 64,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  num_local_experts: 4,
  num_experts_per_tok: 2,
  max_position_embeddings: 64,
};

let folder: string;
let config: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-init-"));
  config = join(folder, "config.json");
  await writeFile(config, JSON.stringify(CONFIG));
});
afterAll(() => rm(folder, { recursive: true }));

const at = (name: string) => join(folder, name);

describe("s7l init", () => {
  test("writes the same bytes from the same seed, and others from another", async () => {
    for (const [name, seed] of [
      ["a", "5"],
      ["b", "5"],
      ["c", "6"],
    ] as const)
      expect((await s7l(["init", config, "--out", at(name), "--seed", seed])).code).toBe(0);
    const read = (name: string) => readFile(join(at(name), "model.safetensors"));
    expect((await read("a")).equals(await read("b"))).toBe(true);
    expect((await read("a")).equals(await read("c"))).toBe(false);
  });

  test("takes seed 0 where nobody gives one, and says so", async () => {
    const unsaid = await s7l(["init", config, "--out", at("unsaid")]);
    expect(unsaid).toMatchObject({ code: 0, stdout: expect.stringContaining("of seed 0") });
    await s7l(["init", config, "--out", at("zero"), "--seed", "0"]);
    const read = (name: string) => readFile(join(at(name), "model.safetensors"));
    expect((await read("unsaid")).equals(await read("zero"))).toBe(true);
  });

  test("what it writes can be built and verified", async () => {
    await s7l(["init", config, "--out", at("whole"), "--seed", "1", "--shards", "3"]);
    const built = await s7l(["build", at("whole"), "--out", at("whole.s7l"), "--json"]);
    expect(built).toMatchObject({ code: 0 });
    expect(objectOf(built)).toMatchObject({ family: "mixtral", integrity: expect.anything() });
  });

  test("writes S7 as a trunk and experts, from a shipped config that an Axolotl file changes", async () => {
    const file = at("s7.yml");
    const small =
      "{trunk_hidden: 32, trunk_layers: 1, trunk_heads: 2, trunk_ffn_dim: 64, expert_hidden: 16, expert_layers: 1, expert_heads: 1, expert_ffn_dim: 32, vocab_size: 64}";
    await writeFile(
      file,
      `random_init_weights: true\nbase_model_config: s7-140m\nmodel_config: ${small}\nseed: 9\nmicro_batch_size: 2\n`,
    );
    const outcome = await s7l(["init", file, "--out", at("s7"), "--json"]);
    expect(outcome).toMatchObject({ code: 0, stderr: "" });
    expect(objectOf(outcome)).toMatchObject({ seed: 9, dtype: "BF16", unusedKeys: ["micro_batch_size"] });
    expect(await readdir(at("s7"))).toEqual([
      "expert0_final",
      "expert1_final",
      "expert2_final",
      "expert3_final",
      "trunk_final",
    ]);
    expect((await s7l(["build", at("s7"), "--out", at("s7.s7l"), "--quiet"])).code).toBe(0);
  });

  test("--max-shard-size cuts, and says which files there are", async () => {
    const outcome = await s7l([
      "init",
      config,
      "--out",
      at("cut"),
      "--seed",
      "1",
      "--max-shard-size",
      "20KB",
      "--dtype",
      "f32",
      "--json",
    ]);
    const { files, dtype } = objectOf(outcome);
    expect(dtype).toBe("F32");
    expect([...(await readdir(at("cut")))].sort()).toEqual([...(files as string[])].sort());
    expect(files).toContain("model.safetensors.index.json");
  });

  test.each([
    ["no folder", () => [config, "--seed", "1"], 2, /--out DIR is missing/],
    ["a folder that is not empty", () => [config, "--out", folder, "--seed", "1"], 2, /is not empty/],
    [
      "two ways of cutting",
      () => [config, "--out", at("x"), "--seed", "1", "--shards", "2", "--max-shard-size", "1GB"],
      2,
      /exclude each other/,
    ],
    ["a strange dtype", () => [config, "--out", at("x"), "--seed", "1", "--dtype", "f8"], 2, /--dtype f8 is unknown/],
    [
      "more shards than tensors",
      () => [config, "--out", at("x"), "--seed", "1", "--shards", "4000"],
      1,
      /4000 shards were asked for/,
    ],
    ["a model larger than the disk", () => ["oracle850b", "--out", at("x"), "--seed", "1"], 2, /has room for/],
    ["a path below a file", () => [config, "--out", join(config, "x"), "--seed", "1"], 2, /config\.json/],
  ])("%s is refused, and nothing is left behind", async (_, words, code, message) => {
    const before = await readdir(folder);
    const outcome = await s7l(["init", ...words()]);
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toMatch(message);
    expect(await readdir(folder)).toEqual(before);
  });

  test("Ctrl-C leaves nothing behind", async () => {
    const place = await mkdtemp(join(tmpdir(), "s7l-stop-"));
    const outcome = await s7l(["init", "s7-140m", "--out", join(place, "x"), "--seed", "1"], {
      interruptWhen: { folder: place, ending: ".part" },
    });
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toMatch(/stopped by SIGINT/);
    expect(await readdir(place)).toEqual([]);
    await rm(place, { recursive: true });
  });
});

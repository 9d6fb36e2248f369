import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tensorPlan } from "@s7l/format";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SHRUNK, shrunkConfig } from "../../test/shrunk-configs.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { lowerConfig } from "../lower.ts";
import { quantize } from "../quantize.ts";
import { type FreshCheckpoint, freshCheckpoint } from "./fresh-checkpoint.ts";
import { writeCheckpoint } from "./write-checkpoint.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-init-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** SHA-256 over the paths and bytes of all files. */
function digestOf({ files }: FreshCheckpoint): string {
  const hash = createHash("sha256");
  for (const { path, bytes } of files) {
    hash.update(`${path}\n`);
    for (const block of bytes()) hash.update(block);
  }
  return hash.digest("hex");
}

describe("freshCheckpoint", () => {
  // Golden: these bytes are what a seed means, for ever. A change here breaks everyone's checkpoints.
  test.each([
    ["mixtral-1b", "9a21a82acfd49ee72f68e946ed7661eb184fbfc434f5a2e6bc1be802b6300387"],
    ["s7-140m", "51d47374deaea730c39dced8f8d282ff38905711a5d5ab4c046177df7dff4444"],
    ["vpmoe", "ef9b1e8d5f0f2bbf57f211ac6d6bc9aa2d27e5f3b62558751b4eb5c01746ff1e"],
  ])("%s from seed 7 is the same bytes on every machine", (name, digest) => {
    const config = shrunkConfig(name);
    expect(digestOf(freshCheckpoint(config, { seed: 7 }))).toBe(digest);
    expect(digestOf(freshCheckpoint(config, { seed: 7 }))).toBe(digest);
    expect(digestOf(freshCheckpoint(config, { seed: 8 }))).not.toBe(digest);
  });

  test.each(SHRUNK)("%s: what is written opens, belongs to its config and quantizes", async (name) => {
    const config = shrunkConfig(name);
    const fresh = freshCheckpoint(config, { seed: 1 });
    const target = join(folder, name);
    await writeCheckpoint(fresh, target);
    const checkpoint = await openCheckpoint(target);
    try {
      const weights = quantize(checkpoint);
      expect(weights.fold).toEqual(lowerConfig(config).fold);
      const plan = tensorPlan(weights.fold);
      for (const tensor of plan) for await (const _ of weights.span(tensor));
      expect(weights.report().tensors).toHaveLength(plan.length);
    } finally {
      await checkpoint.close();
    }
  });

  test("says the size of every file before it is made", () => {
    for (const { path, size, bytes } of freshCheckpoint(shrunkConfig("s7-140m"), { seed: 1, sharding: { count: 2 } })
      .files) {
      const made = [...bytes()].reduce((sum, block) => sum + block.length, 0);
      expect([path, made]).toEqual([path, size]);
    }
  });

  test("gives a tensor the same weights whatever the shards", async () => {
    const config = shrunkConfig("mixtral-1b");
    const read = async (name: string, sharding?: { readonly count: number } | { readonly bytes: number }) => {
      const target = join(folder, name);
      await writeCheckpoint(freshCheckpoint(config, { seed: 3, ...(sharding ? { sharding } : {}) }), target);
      const checkpoint = await openCheckpoint(target);
      const tensors = await Promise.all(
        [...checkpoint.tensors.values()].map(
          async ({ name, source, offset, length }) => [name, await source.read(offset, length)] as const,
        ),
      );
      await checkpoint.close();
      return new Map(tensors);
    };
    const one = await read("one");
    expect(await read("three", { count: 3 })).toEqual(one);
    expect(await read("small", { bytes: 1000 })).toEqual(one);
    expect(await readdir(join(folder, "three"))).toHaveLength(5);
  });

  test("writes S7 as a trunk and folders of experts", () => {
    const paths = freshCheckpoint(shrunkConfig("s7-140m"), { seed: 1 }).files.map(({ path }) => path);
    expect(paths).toEqual([
      "trunk_final/config.json",
      "trunk_final/vocab.json",
      "trunk_final/model.safetensors",
      ...[0, 1, 2, 3].flatMap((e) => [`expert${e}_final/config.json`, `expert${e}_final/model.safetensors`]),
    ]);
  });

  test.each([
    [{}, "BF16", "bfloat16"],
    [{ torch_dtype: "float32" }, "F32", "float32"],
    [{ torch_dtype: null, dtype: "float16" }, "F16", "float16"],
  ])("takes the dtype of a config with %j", async (changes, type, word) => {
    const { place, values } = shrunkConfig("mixtral-1b");
    const fresh = freshCheckpoint({ place, values: { ...values, ...changes } }, { seed: 1 });
    expect(fresh.type).toBe(type);
    const [config] = fresh.files;
    expect(new TextDecoder().decode([...(config?.bytes() ?? [])][0])).toContain(`"${word}"`);
  });

  test("scales weights by initializer_range", () => {
    const { place, values } = shrunkConfig("mixtral-1b");
    const spread = (range: number): number => {
      const fresh = freshCheckpoint(
        { place, values: { ...values, initializer_range: range } },
        { seed: 1, type: "F32" },
      );
      const bytes = Buffer.concat([...(fresh.files.at(-1)?.bytes() ?? [])].slice(1));
      const weights = new Float32Array(new Uint8Array(bytes).buffer).filter((x) => x !== 1);
      return Math.sqrt(weights.reduce((sum, x) => sum + x * x, 0) / weights.length);
    };
    expect(spread(0.02)).toBeCloseTo(0.02, 3);
    expect(spread(0.5)).toBeCloseTo(0.5, 1);
  });

  test("keeps our notes out of the written config", async () => {
    const text = await readFile(join(folder, "mixtral-1b", "config.json"), "utf8");
    expect(JSON.parse(text)).not.toHaveProperty("//");
    expect(JSON.parse(text)).not.toHaveProperty("published");
  });

  test.each([-1, 1.5, Number.NaN, 2 ** 53])("refuses the seed %d", (seed) => {
    expect(() => freshCheckpoint(shrunkConfig("mixtral-1b"), { seed })).toThrow(/is not an integer from 0/);
  });

  test.each([
    ["model_type", "unknown", /model_type "unknown"/],
    ["hidden_size", null, /hidden_size/],
    ["initializer_range", -1, /initializer_range/],
    ["torch_dtype", "int8", /torch_dtype or dtype = "int8"/],
  ])("refuses a config with %s = %j", (key, value, message) => {
    const { place, values } = shrunkConfig("mixtral-1b");
    expect(() => freshCheckpoint({ place, values: { ...values, [key]: value } }, { seed: 1 })).toThrow(message);
  });
});

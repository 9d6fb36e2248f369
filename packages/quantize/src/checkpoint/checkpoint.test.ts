import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CONFIGS } from "../../test/configs.ts";
import { encodeSafetensors, randomTensors, type TestTensors } from "../../test/memory-checkpoint.ts";
import { spansOf } from "../../test/spans.ts";
import type { JsonObject } from "../json.ts";
import { quantize } from "../quantize.ts";
import { type CheckpointPath, openCheckpoint } from "./checkpoint.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-checkpoint-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function put(name: string, content: Uint8Array | string | JsonObject): Promise<void> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(
    path,
    content instanceof Uint8Array || typeof content === "string" ? content : JSON.stringify(content),
  );
}

const config = CONFIGS.llama;
const tensors = randomTensors(config);
const entries = Object.entries(tensors);
const [first, second] = [Object.fromEntries(entries.slice(0, 9)), Object.fromEntries(entries.slice(9))];
const [moved = ""] = Object.keys(second);
const shardNames = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;

function indexOf(shards: Readonly<Record<string, TestTensors>>): JsonObject {
  const map = Object.entries(shards).flatMap(([shard, held]) => Object.keys(held).map((name) => [name, shard]));
  return { metadata: { total_size: 1 }, weight_map: Object.fromEntries(map) };
}
const index = indexOf({ [shardNames[0]]: first, [shardNames[1]]: second });

async function putShards(): Promise<void> {
  await put("config.json", config);
  await put("model.safetensors.index.json", index);
  await put(shardNames[0], encodeSafetensors(first));
  await put(shardNames[1], encodeSafetensors(second));
}

async function sealed(path: CheckpointPath) {
  const checkpoint = await openCheckpoint(path);
  try {
    return await spansOf(quantize(checkpoint));
  } finally {
    await checkpoint.close();
  }
}

test("one file and shards with an index hold the same model", async () => {
  await putShards();
  const sharded = await sealed(folder);
  await rm(join(folder, "model.safetensors.index.json"));
  await put("model.safetensors", encodeSafetensors(tensors));
  expect(await sealed(folder)).toEqual(sharded);
});

test("files may be links, as in the Hub's cache", async () => {
  await put("blobs/a", encodeSafetensors(tensors));
  await put("blobs/b", config);
  await mkdir(join(folder, "snapshots/main"), { recursive: true });
  await symlink("../../blobs/a", join(folder, "snapshots/main/model.safetensors"));
  await symlink("../../blobs/b", join(folder, "snapshots/main/config.json"));
  expect((await sealed(join(folder, "snapshots/main"))).size).toBeGreaterThan(0);
});

async function putS7(): Promise<void> {
  const all = Object.entries(randomTensors(CONFIGS.s7_llm_moe));
  const part = (prefix: RegExp) => encodeSafetensors(Object.fromEntries(all.filter(([name]) => prefix.test(name))));
  await put("trunk_final/config.json", CONFIGS.s7_llm_moe);
  await put("trunk_final/tokenizer.json", "{}");
  await put("trunk_final/model.safetensors", part(/^(trunk|embedding)/));
  for (const e of [0, 1, 2, 3]) await put(`expert${e}_final/model.safetensors`, part(new RegExp(`^expert${e}\\.`)));
}

test("S7's folders open by their parent, or one by one in any order", async () => {
  await putS7();
  const whole = await sealed(folder);
  const experts = [2, 0, 3, 1].map((e) => join(folder, `expert${e}_final`));
  expect(await sealed({ trunk: join(folder, "trunk_final"), experts })).toEqual(whole);
});

test("an S7 expert that is missing, or given twice, is refused by the name of a tensor", async () => {
  await putS7();
  const trunk = join(folder, "trunk_final");
  const expert = (e: number) => join(folder, `expert${e}_final`);
  await expect(sealed({ trunk, experts: [0, 1, 3].map(expert) })).rejects.toMatchObject({
    code: "tensor",
    message: expect.stringMatching(/tensor expert2\..* is missing/),
  });
  await expect(sealed({ trunk, experts: [0, 1, 2, 3, 2].map(expert) })).rejects.toMatchObject({
    code: "checkpoint",
    message: expect.stringMatching(/tensor expert2\..* is in expert2_final/),
  });
});

test("tokenizer, template and special ids are found beside the weights", async () => {
  await put("config.json", config);
  await put("model.safetensors", encodeSafetensors(tensors));
  await put("tokenizer/tokenizer.json", "{ }");
  await put("vocab.json", { a: 0 });
  await put("chat_template.jinja", "{{ messages }}");
  await put("generation_config.json", { eos_token_id: [3] });
  const checkpoint = await openCheckpoint(folder);
  const { vocabulary } = quantize(checkpoint);
  await checkpoint.close();
  expect(vocabulary).toEqual({ tokenizer: new TextEncoder().encode("{ }"), chatTemplate: "{{ messages }}", eos: [3] });
});

test("a template is taken to the character, and refused where it is not UTF-8", async () => {
  await put("config.json", config);
  await put("model.safetensors", encodeSafetensors(tensors));
  await put("chat_template.jinja", "\ufeff{{ messages }}");
  const checkpoint = await openCheckpoint(folder);
  await checkpoint.close();
  expect(checkpoint.files.chatTemplate).toBe("\ufeff{{ messages }}");
  await writeFile(join(folder, "chat_template.jinja"), Uint8Array.of(0x7b, 0xff));
  await expect(openCheckpoint(folder)).rejects.toMatchObject({
    name: "QuantizeError",
    code: "checkpoint",
    message: "chat_template.jinja is not UTF-8 text",
  });
});

test("vocab.json is a vocabulary only where it is the whole of it", async () => {
  await put("config.json", config);
  await put("model.safetensors", encodeSafetensors(tensors));
  await put("vocab.json", { a: 0 });
  const open = async () => {
    const checkpoint = await openCheckpoint(folder);
    await checkpoint.close();
    return checkpoint.files.vocab;
  };
  expect(await open()).toBeDefined();
  await put("merges.txt", "a b");
  expect(await open()).toBeUndefined();
});

const withMap = (change: Readonly<Record<string, unknown>>) =>
  JSON.stringify({ ...index, weight_map: { ...Object(index.weight_map), ...change } });

test.each<readonly [string, () => Promise<void>, string, RegExp]>([
  ["no config", () => rm(join(folder, "config.json")), "checkpoint", /neither config\.json nor trunk_final/],
  [
    "no weights",
    () =>
      Promise.all([...shardNames, "model.safetensors.index.json"].map((name) => rm(join(folder, name)))).then(() => {}),
    "checkpoint",
    /no model\.safetensors and no index/,
  ],
  [
    "a missing shard",
    () => rm(join(folder, shardNames[1])),
    "checkpoint",
    /shard model-00002-of-00002\.safetensors, which .* names, is missing/,
  ],
  [
    "a truncated shard",
    () => truncate(join(folder, shardNames[1]), 3000),
    "safetensors",
    /model-00002-of-00002\.safetensors: .*cut off/,
  ],
  ["a config that is not JSON", () => put("config.json", "{"), "config", /config\.json is not JSON/],
  ["a config that says something twice", () => put("config.json", '{"a":1,"a":2}'), "config", /"a" twice/],
  [
    "an index that is not JSON",
    () => put("model.safetensors.index.json", "["),
    "checkpoint",
    /index\.json is not JSON/,
  ],
  ["an index without a map", () => put("model.safetensors.index.json", "{}"), "checkpoint", /has no weight_map/],
  [
    "a shard outside the folder",
    () => put("model.safetensors.index.json", withMap({ x: "../secret.safetensors" })),
    "checkpoint",
    /tensor x in "\.\.\/secret\.safetensors", which is not a safetensors file beside it/,
  ],
  [
    "a shard that is no name",
    () => put("model.safetensors.index.json", withMap({ x: 7 })),
    "checkpoint",
    /tensor x in 7/,
  ],
  [
    "a shard on another disk",
    () => put("model.safetensors.index.json", withMap({ x: "c:\\x.safetensors" })),
    "checkpoint",
    /which is not a safetensors file beside it/,
  ],
  [
    "a tensor that its shard lacks",
    () => put("model.safetensors.index.json", withMap({ x: shardNames[0] })),
    "checkpoint",
    /tensor x should be in model-00001/,
  ],
  [
    "a tensor in another shard",
    () => put("model.safetensors.index.json", withMap({ [moved]: shardNames[0] })),
    "checkpoint",
    /tensor \S+ is in model-00002-of-00002\.safetensors, but not by/,
  ],
])("%s: the checkpoint is refused in one sentence", async (_, damage, code, message) => {
  await putShards();
  await damage();
  const refusal = await openCheckpoint(folder).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(refusal).toMatchObject({ name: "QuantizeError", code, message: expect.stringMatching(message) });
});

test("a folder that could be the name of a model on the Hub is said to be got first", async () => {
  await expect(openCheckpoint("meta-llama/Llama-3.2-1B")).rejects.toMatchObject({
    code: "checkpoint",
    message: expect.stringContaining("`hf download meta-llama/Llama-3.2-1B --local-dir Llama-3.2-1B`"),
  });
  for (const path of ["../none", "./none", "none", "a/b/none"])
    await expect(openCheckpoint(path)).rejects.toThrow("is not a folder that can be read");
});

test("a folder that is not there is refused", async () => {
  await expect(openCheckpoint(join(folder, "nowhere"))).rejects.toMatchObject({
    code: "checkpoint",
    message: expect.stringMatching(/not a folder that can be read/),
  });
});

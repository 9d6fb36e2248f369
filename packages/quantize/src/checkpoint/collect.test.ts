import { copyFile, mkdir, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { removeCheckpoint, SHARDS, tinyCheckpoint } from "../../test/tiny-checkpoint.ts";
import { collectCheckpoint } from "./collect.ts";
import type { FindingCode } from "./findings.ts";
import { INDEX_FILE } from "./shard-index.ts";

const [FIRST = "", SECOND = "", THIRD = "", FOURTH = ""] = SHARDS;
let folder = "";
const at = (name: string): string => join(folder, name);

beforeEach(async () => {
  folder = await tinyCheckpoint();
});
afterEach(() => removeCheckpoint(folder));

describe("collect", () => {
  test("finds nothing wrong with a whole checkpoint", async () => {
    expect(await collectCheckpoint(folder)).toMatchObject({ ok: true, findings: [], shards: 4, files: 8 });
  });

  test.each<[string, () => Promise<unknown>, FindingCode, string]>([
    ["no config.json", () => rm(at("config.json")), "file-missing", "config.json"],
    ["no index", () => rm(at(INDEX_FILE)), "index-missing", INDEX_FILE],
    ["an index that is no JSON", () => writeFile(at(INDEX_FILE), "{"), "index-broken", INDEX_FILE],
    ["an index without a map", () => writeFile(at(INDEX_FILE), "{}"), "index-broken", INDEX_FILE],
    [
      "an index that leads out of the folder",
      () => writeFile(at(INDEX_FILE), JSON.stringify({ weight_map: { a: "../../x.safetensors" } })),
      "index-broken",
      INDEX_FILE,
    ],
    [
      "an index that names a file that is not there",
      () => writeFile(at(INDEX_FILE), JSON.stringify({ weight_map: { a: "other.safetensors" } })),
      "shard-missing",
      "other.safetensors",
    ],
    [
      "another total in the index",
      () => writeFile(at(INDEX_FILE), JSON.stringify({ metadata: { total_size: 1 }, weight_map: { a: FIRST } })),
      "total-differs",
      INDEX_FILE,
    ],
    ["a missing shard", () => rm(at(THIRD)), "shard-missing", THIRD],
    ["the last shards missing", () => Promise.all([rm(at(THIRD)), rm(at(FOURTH))]), "shard-missing", THIRD],
    [
      "a shard of another total",
      () => copyFile(at(FIRST), at("model-00001-of-00005.safetensors")),
      "shards-mixed",
      ".",
    ],
    [
      "a shard beyond the total",
      () => copyFile(at(FIRST), at("model-00005-of-00004.safetensors")),
      "shard-extra",
      "model-00005-of-00004.safetensors",
    ],
    ["shards beside the whole", () => copyFile(at(FIRST), at("model.safetensors")), "shard-extra", FIRST],
    [
      "another safetensors file",
      () => copyFile(at(FIRST), at("adapter.safetensors")),
      "file-extra",
      "adapter.safetensors",
    ],
    [
      "a misnamed shard",
      () => rename(at(SECOND), at("model-2-of-4.safetensors")),
      "file-extra",
      "model-2-of-4.safetensors",
    ],
    ["a shard of 7 bytes", () => truncate(at(SECOND), 7), "header-broken", SECOND],
    ["a shard cut within its header", () => truncate(at(SECOND), 40), "header-broken", SECOND],
    ["a shard cut within its data", () => truncate(at(SECOND), 2000), "total-differs", INDEX_FILE],
    [
      "an unfinished download",
      () => writeFile(at(`${FIRST}.incomplete`), ""),
      "download-unfinished",
      `${FIRST}.incomplete`,
    ],
    ["a link to nothing", () => symlink("/nowhere/at/all", at("extra.json")), "file-missing", "extra.json"],
  ])("names %s", async (_, damage, code, place) => {
    await damage();
    const { ok, findings } = await collectCheckpoint(folder);
    expect(ok).toBe(false);
    expect(findings).toContainEqual(expect.objectContaining({ severity: "error", code, at: place }));
    for (const { message } of findings) expect(message).toMatch(/^[^\n]+[.]$/);
  });

  test("names a range of missing shards once", async () => {
    await Promise.all([rm(at(SECOND)), rm(at(THIRD))]);
    const { findings } = await collectCheckpoint(folder);
    const missing = findings.filter(({ code }) => code === "shard-missing");
    // Once as the range, in which the index's own entries are not repeated.
    expect(missing).toHaveLength(1);
    expect(missing[0]?.message).toContain("00003");
  });

  test("refuses a shard above the cap, and calls that a matter of memory", async () => {
    const { findings } = await collectCheckpoint(folder, { maxShardBytes: 1000 });
    expect(findings.filter(({ trouble }) => trouble === "memory").length).toBeGreaterThan(0);
  });

  test("notes what is absent without need", async () => {
    await Promise.all([rm(at("generation_config.json")), rm(at("tokenizer.json"))]);
    const { ok, findings } = await collectCheckpoint(folder);
    expect(ok).toBe(true);
    expect(findings.map(({ severity }) => severity)).toEqual(["note", "note"]);
  });

  test("takes a trunk with the folders of its experts for one checkpoint", async () => {
    const whole = join(folder, "..", "s7");
    for (const part of ["trunk_final", "expert0_final", "expert1_final"]) {
      await mkdir(join(whole, part), { recursive: true });
      await writeFile(join(whole, part, "config.json"), "{}");
      await copyFile(at(FIRST), join(whole, part, "model.safetensors"));
    }
    expect(await collectCheckpoint(whole)).toMatchObject({ ok: true, shards: 3 });
    await rm(join(whole, "expert1_final", "model.safetensors"));
    expect((await collectCheckpoint(whole)).findings).toContainEqual(
      expect.objectContaining({ code: "shard-missing", at: "expert1_final/model.safetensors" }),
    );
  });

  test("refuses a folder that is none", async () => {
    await expect(collectCheckpoint(at("nowhere"))).rejects.toMatchObject({ name: "QuantizeError", code: "checkpoint" });
    await expect(collectCheckpoint(at("config.json"))).rejects.toMatchObject({ code: "checkpoint" });
  });
});

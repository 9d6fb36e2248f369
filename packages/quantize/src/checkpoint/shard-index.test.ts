import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expenseOf, mangledBytes } from "@s7l/fixtures";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { INDEX_FILE, readShardIndex } from "./shard-index.ts";

let folder: string;
let path: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-"));
  path = join(folder, INDEX_FILE);
});
afterAll(() => rm(folder, { recursive: true }));

const VALID = '{"metadata": {"total_size": 12}, "weight_map": {"a": "x-1.safetensors", "b": "x-2.safetensors"}}';
const MIB = 1 << 20;

/** What is read of a folder with this index in it. */
async function read(bytes: Uint8Array | string): ReturnType<typeof readShardIndex> {
  await writeFile(path, bytes);
  const file = { name: INDEX_FILE, path, size: Buffer.byteLength(bytes), stamp: "" };
  return readShardIndex({ folder, prefix: "", files: new Map([[INDEX_FILE, file]]), config: "optional" });
}

describe("an index of shards from a stranger", () => {
  test("is read as it stands", async () => {
    expect(await read(VALID)).toMatchObject({
      totalSize: 12,
      shardOf: new Map([
        ["a", "x-1.safetensors"],
        ["b", "x-2.safetensors"],
      ]),
    });
  });

  test.each([
    ["no JSON", "{"],
    ["a list", "[]"],
    ["no map of weights", "{}"],
    ["a weight in two shards", '{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}'],
    ["a shard in another folder", '{"weight_map": {"a": "../x.safetensors"}}'],
    ["a shard of an absolute path", '{"weight_map": {"a": "/etc/x.safetensors"}}'],
    ["a shard on another disk", '{"weight_map": {"a": "c:\\\\x.safetensors"}}'],
    ["a shard that is pickled", '{"weight_map": {"a": "x.bin"}}'],
    ["a shard that is a number", '{"weight_map": {"a": 1}}'],
    ["a negative size", '{"metadata": {"total_size": -1}, "weight_map": {}}'],
    ["a size of 2^53", '{"metadata": {"total_size": 9007199254740992}, "weight_map": {}}'],
    ["a fractional size", '{"metadata": {"total_size": 1.5}, "weight_map": {}}'],
    ["twenty megabytes of opening brackets", "[".repeat(20 * MIB)],
  ])("is a finding where it has %s, soon and in little memory", async (_, text) => {
    const { milliseconds, bytes } = await expenseOf(async () => {
      expect(await read(text)).toMatchObject({ code: "index-broken" });
    });
    expect(milliseconds).toBeLessThan(1000);
    expect(bytes).toBeLessThan(128 * MIB);
  });

  test.skipIf(process.platform === "win32")("is a finding where it is a link out of its checkpoint", async () => {
    const inside = join(folder, "inside");
    await mkdir(inside);
    await writeFile(path, VALID);
    await symlink(path, join(inside, INDEX_FILE));
    const file = { name: INDEX_FILE, path: join(inside, INDEX_FILE), size: VALID.length, stamp: "" };
    expect(
      await readShardIndex({ folder: inside, prefix: "", files: new Map([[INDEX_FILE, file]]), config: "optional" }),
    ).toMatchObject({ code: "index-broken", message: expect.stringContaining("is a link out of its checkpoint") });
  });

  test("is an index or a finding, whatever the bytes", async () => {
    const valid = new TextEncoder().encode(VALID);
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.nat().map((seed) => mangledBytes(valid, seed)),
      fc.json({ maxDepth: 3 }).map((text) => new TextEncoder().encode(`{"weight_map": ${text}}`)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (given) => {
        const found = await read(given);
        expect(found && ("shardOf" in found || found.code === "index-broken")).toBe(true);
      }),
      { numRuns: 400, seed: 14 },
    );
  });
});

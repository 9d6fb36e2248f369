import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFileSource } from "@s7l/format/file";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readAtOnce } from "./read-at-once.ts";

let folder = "";
let path = "";
const bytes = new Uint8Array(1000).map((_, i) => i % 251);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-"));
  path = join(folder, "shard");
  await writeFile(path, bytes);
});
afterEach(() => rm(folder, { recursive: true }));

describe("readAtOnce", () => {
  test("gives the file's bytes, and has given them when it returns", async () => {
    const file = await openFileSource(path);
    const source = readAtOnce(file, path);
    expect(source.size).toBe(1000);
    expect(await source.read(3, 990)).toEqual(bytes.subarray(3, 993));
    const target = new Uint8Array(10);
    void source.readInto?.(700, target);
    expect(target).toEqual(bytes.subarray(700, 710));
    await source.assertUnchanged?.();
    await file.close();
  });

  test("refuses what lies beyond the file, what became shorter, and what changed", async () => {
    const file = await openFileSource(path);
    const source = readAtOnce(file, path);
    await expect(source.read(999, 2)).rejects.toMatchObject({ code: "range" });
    await truncate(path, 500);
    await expect(source.read(490, 20)).rejects.toMatchObject({
      code: "io",
      message: `${path} became shorter while it was read`,
    });
    await expect(source.assertUnchanged?.()).rejects.toMatchObject({ code: "io" });
    await file.close();
    await expect(source.read(0, 1)).rejects.toMatchObject({ name: "FormatError", code: "io", at: path });
  });
});

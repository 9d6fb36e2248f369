import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openFolderCache } from "./folder-cache.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-cache-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a folder of chunks", () => {
  test("holds one file a chunk, for its owner alone, and no temporary ones", async () => {
    const own = join(folder, "own");
    const cache = await openFolderCache(own);
    await cache.put("ef".repeat(32), new Uint8Array(5).fill(5));
    const place = join(own, "ef", "ef".repeat(32));
    expect(new Uint8Array(await readFile(place))).toEqual(new Uint8Array(5).fill(5));
    expect((await stat(place)).mode & 0o777).toBe(0o600);
    expect(await readdir(own)).toEqual(["ef"]);
  });

  test("gives what was put, nothing for what was not, and forgets what it is told to", async () => {
    const cache = await openFolderCache(join(folder, "deep", "er"));
    expect((await stat(join(folder, "deep", "er"))).mode & 0o777).toBe(0o700);
    const key = "0f".repeat(32);
    expect(await cache.get(key)).toBeUndefined();
    await cache.delete(key);
    await cache.put(key, Uint8Array.of(1, 2));
    await cache.put(key, Uint8Array.of(3));
    expect(await cache.get(key)).toEqual(Uint8Array.of(3));
    expect((await stat(join(folder, "deep", "er", "0f"))).mode & 0o777).toBe(0o700);
    await cache.delete(key);
    expect(await cache.get(key)).toBeUndefined();
  });

  test("leaves no temporary file where an entry cannot be put", async () => {
    const own = join(folder, "blocked");
    const cache = await openFolderCache(own);
    await mkdir(join(own, "aa", "aa".repeat(32)), { recursive: true });
    await expect(cache.put("aa".repeat(32), new Uint8Array(1))).rejects.toThrow();
    expect(await readdir(own)).toEqual(["aa"]);
    // What is no file is no chunk: read as nothing, which no hash fits.
    expect(await cache.get("aa".repeat(32))).toEqual(new Uint8Array(0));
  });

  test("says why an entry cannot be put, where not even a temporary file was made", async () => {
    const own = join(folder, "stuck");
    const cache = await openFolderCache(own);
    await writeFile(join(own, "ee"), "a file where a folder belongs");
    await expect(cache.put("ee".repeat(32), new Uint8Array(1))).rejects.toMatchObject({ code: "EEXIST" });
  });

  test.skipIf(process.platform === "win32")("does not wait for the writer of a named pipe", async () => {
    const own = join(folder, "pipes");
    const cache = await openFolderCache(own);
    await mkdir(join(own, "bb"));
    execFileSync("mkfifo", [join(own, "bb", "bb".repeat(32))]);
    expect(await cache.get("bb".repeat(32))).toEqual(new Uint8Array(0));
  });

  test("takes an entry as long as the longest chunk", async () => {
    const cache = await openFolderCache(join(folder, "long"));
    await cache.put("cc".repeat(32), new Uint8Array(1 << 24));
    expect((await cache.get("cc".repeat(32)))?.length).toBe(1 << 24);
  });

  test.skipIf(!existsSync("/proc/self/fd"))("holds no entry open", async () => {
    const cache = await openFolderCache(join(folder, "held"));
    await cache.put("dd".repeat(32), new Uint8Array(1));
    const before = (await readdir("/proc/self/fd")).length;
    for (let i = 0; i < 5; i++) await cache.get("dd".repeat(32));
    expect((await readdir("/proc/self/fd")).length).toBe(before);
  });

  test.each(["", "../../etc/passwd", "ab", "AB".repeat(32), `${"ab".repeat(32)}/x`, `../${"ab".repeat(32)}`])(
    "has no place for %j",
    async (key) => {
      const cache = await openFolderCache(join(folder, "keys"));
      for (const act of [() => cache.get(key), () => cache.put(key, new Uint8Array(1)), () => cache.delete(key)])
        await expect(async () => act()).rejects.toMatchObject({ name: "FormatError", code: "schema" });
    },
  );

  test("follows no link and allocates for no file beyond a chunk", async () => {
    const own = join(folder, "links");
    const cache = await openFolderCache(own);
    await cache.put("01".repeat(32), new Uint8Array(1));
    await writeFile(join(folder, "secret"), "secret");
    await symlink(join(folder, "secret"), join(own, "01", `01${"02".repeat(31)}`));
    await expect(cache.get(`01${"02".repeat(31)}`)).rejects.toThrow();
    await writeFile(join(own, "01", `01${"03".repeat(31)}`), new Uint8Array((1 << 24) + 1));
    expect(await cache.get(`01${"03".repeat(31)}`)).toEqual(new Uint8Array(0));
  });

  test("that cannot be made says so", async () => {
    await writeFile(join(folder, "file"), "");
    await expect(openFolderCache(join(folder, "file", "x"))).rejects.toMatchObject({
      name: "FormatError",
      code: "io",
      cause: expect.objectContaining({ code: "ENOTDIR" }),
    });
  });
});

import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
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

  test.each(["", "../../etc/passwd", "ab", "AB".repeat(32), `${"ab".repeat(32)}/x`])(
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
    await expect(openFolderCache(join(folder, "file", "x"))).rejects.toMatchObject({ name: "FormatError", code: "io" });
  });
});

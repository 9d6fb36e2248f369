import { execFileSync } from "node:child_process";
import { mkdtemp, rename, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openFileSource } from "./file-source.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-"));
  path = join(folder, "model.s7l");
  await writeFile(
    path,
    Uint8Array.from({ length: 100 }, (_, i) => i),
  );
});

afterEach(() => rm(folder, { recursive: true }));

describe("openFileSource", () => {
  test("reads any range, also into memory of the caller", async () => {
    const source = await openFileSource(path);
    expect(source.size).toBe(100);
    expect(await source.read(98, 2)).toEqual(Uint8Array.of(98, 99));
    const target = new Uint8Array(3);
    await source.readInto(1, target.subarray(1));
    expect(target).toEqual(Uint8Array.of(0, 1, 2));
    await expect(source.read(99, 2)).rejects.toMatchObject({ code: "range" });
    await source.assertUnchanged();
    await source.close();
  });

  test("reads into WebAssembly memory, shared or not", async () => {
    const source = await openFileSource(path);
    for (const shared of [false, true]) {
      const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared });
      const target = new Uint8Array(memory.buffer, 8, 100);
      await source.readInto(0, target);
      expect(target[99]).toBe(99);
    }
    await source.close();
  });

  test("stays with the file that it opened when another takes its name", async () => {
    const source = await openFileSource(path);
    const other = join(folder, "other");
    await writeFile(other, new Uint8Array(100).fill(7));
    await rename(other, path);
    expect(await source.read(0, 2)).toEqual(Uint8Array.of(0, 1));
    await source.close();
  });

  test("says when the file changed while it was read", async () => {
    const source = await openFileSource(path);
    await utimes(path, 1, 1);
    await expect(source.assertUnchanged()).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining("changed while it was read"),
    });
    await source.close();
  });

  test("says when the file became shorter while it was read", async () => {
    const source = await openFileSource(path);
    await truncate(path, 10);
    await expect(source.read(5, 50)).rejects.toMatchObject({ code: "io", message: expect.stringContaining("shorter") });
    await source.close();
  });

  test.each([
    ["a file that is not there", async () => join(folder, "none"), "there is no such file"],
    ["a folder", async () => folder, "folder|not a regular file"],
    [
      "a symbolic link",
      async () => {
        await symlink(path, join(folder, "link"));
        return join(folder, "link");
      },
      "symbolic link",
    ],
    [
      "a named pipe, without waiting for it",
      async () => {
        execFileSync("mkfifo", [join(folder, "pipe")]);
        return join(folder, "pipe");
      },
      "not a regular file",
    ],
  ])("refuses %s", async (_, make, message) => {
    await expect(openFileSource(await make())).rejects.toMatchObject({
      name: "FormatError",
      code: "io",
      message: expect.stringMatching(message),
    });
  });
});

import { execFileSync } from "node:child_process";
import { existsSync, readSync } from "node:fs";
import {
  appendFile,
  mkdtemp,
  open,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
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

  test("shares its descriptor with whoever reads the same file on another thread", async () => {
    const source = await openFileSource(path);
    const { shared } = source;
    expect(shared).toEqual({ kind: "file", descriptor: expect.any(Number), size: 100 });
    const first = new Uint8Array(2);
    if (shared?.kind === "file") readSync(shared.descriptor, first, 0, 2, 40);
    expect(first).toEqual(Uint8Array.of(40, 41));
    await source.close();
  });

  test("cannot be read once it is closed", async () => {
    const source = await openFileSource(path);
    await source.close();
    await expect(source.read(0, 1)).rejects.toMatchObject({
      name: "FormatError",
      code: "io",
      at: path,
      cause: expect.any(Error),
    });
  });

  test("stays with the file that it opened when another takes its name", async () => {
    const source = await openFileSource(path);
    const other = join(folder, "other");
    await writeFile(other, new Uint8Array(100).fill(7));
    await rename(other, path);
    expect(await source.read(0, 2)).toEqual(Uint8Array.of(0, 1));
    await source.close();
  });

  test.each<[string, () => Promise<void>]>([
    ["got another time", () => utimes(path, 1, 1)],
    ["grew", () => appendFile(path, "x")],
    ["became shorter", () => truncate(path, 10)],
    ["was written anew in the same length", () => writeFile(path, new Uint8Array(100))],
    ["was emptied and written again", () => writeFile(path, new Uint8Array(100), { flag: "w" })],
    [
      "was written in place, and its time set back",
      async () => {
        const { atime, mtime } = await stat(path);
        const handle = await open(path, "r+");
        await handle.write(Uint8Array.of(7), 0, 1, 50);
        await handle.close();
        await utimes(path, atime, mtime);
      },
    ],
  ])("says that the file changed when it %s", async (_, change) => {
    const whole = new Date(Math.floor(Date.now() / 1000) * 1000);
    await utimes(path, whole, whole);
    const source = await openFileSource(path);
    await source.assertUnchanged();
    // Times have the grain of the kernel's clock, some milliseconds.
    await new Promise((resolve) => setTimeout(resolve, 20));
    await change();
    await expect(source.assertUnchanged()).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining("changed while it was read"),
    });
    await source.close();
  });

  test("has an identity that is another for another file, and for the same one written to, its time set back or not", async () => {
    const identityOf = async (file: string): Promise<string> => {
      const source = await openFileSource(file);
      await source.close();
      return source.identity;
    };
    await utimes(path, 2, 2);
    const first = await identityOf(path);
    expect(first).toMatch(/^\d+-\d+-100-2000000000-\d+$/);
    expect(await identityOf(path)).toBe(first);
    await writeFile(join(folder, "other"), new Uint8Array(100));
    expect(await identityOf(join(folder, "other"))).not.toBe(first);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await writeFile(path, new Uint8Array(100));
    await utimes(path, 2, 2);
    expect(await identityOf(path)).not.toBe(first);
  });

  test.skipIf(!existsSync("/proc/self/fd"))("holds no file open that it refused or closed", async () => {
    const held = async (): Promise<number> => (await readdir("/proc/self/fd")).length;
    const before = await held();
    for (let i = 0; i < 5; i++) await openFileSource(folder).catch(() => undefined);
    for (let i = 0; i < 5; i++) await (await openFileSource(path)).close();
    expect(await held()).toBe(before);
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

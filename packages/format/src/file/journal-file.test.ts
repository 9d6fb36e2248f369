import { execFileSync } from "node:child_process";
import { constants } from "node:fs";
import { mkdtemp, open, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { appendText, readLines } from "./journal-file.ts";

let folder = "";
let path = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-journal-"));
  path = join(folder, ".journal");
});
afterEach(() => rm(folder, { recursive: true }));

describe.skipIf(process.platform === "win32")("a journal in a stranger's folder", () => {
  test("brings nothing into the file that a link leads to, nor out of it", async () => {
    const victim = join(folder, "victim");
    await writeFile(victim, "mine\n");
    for (const target of [victim, join(folder, "none")]) {
      await symlink(target, path);
      expect(await readLines(path)).toEqual([]);
      await expect(appendText(path, "line\n")).rejects.toMatchObject({
        code: "io",
        message: `${path} cannot be written: a symbolic link has that name`,
      });
      await rm(path);
    }
    expect(await readFile(victim, "utf8")).toBe("mine\n");
    await expect(readFile(join(folder, "none"))).rejects.toThrow("ENOENT");
  });

  test("is not waited for where it is a pipe, read by somebody or not", async () => {
    execFileSync("mkfifo", [path]);
    expect(await readLines(path)).toEqual([]);
    await expect(appendText(path, "line\n")).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining("a pipe or a socket has that name"),
    });
    const reader = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      await expect(appendText(path, "line\n")).rejects.toThrow("a device or a pipe has that name");
    } finally {
      await reader.close();
    }
  });

  test("is neither read nor written where it is a device or a folder", async () => {
    for (const place of ["/dev/zero", "/dev/null", folder]) {
      expect(await readLines(place)).toEqual([]);
      await expect(appendText(place, "line\n")).rejects.toMatchObject({ name: "FormatError", code: "io", at: place });
    }
  });
});

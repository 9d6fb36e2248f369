import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeFileWhole } from "./write-file-whole.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-"));
});

afterEach(() => rm(folder, { recursive: true }));

test("a file is replaced whole, and its owner may write it", async () => {
  const path = join(folder, "a.json");
  for (const text of ["first", "two"]) await writeFileWhole(path, new TextEncoder().encode(text));
  expect(await readFile(path, "utf8")).toBe("two");
  expect((await stat(path)).mode & 0o777).toBe(0o644);
});

test("nothing is left of a file that could not be put there", async () => {
  await mkdir(join(folder, "a.json"));
  await expect(writeFileWhole(join(folder, "a.json"), new Uint8Array(3))).rejects.toMatchObject({ code: "io" });
  expect(await readdir(folder)).toEqual(["a.json"]);
});

import { expect, test } from "vitest";
import { folderFailure, writeFailure } from "./write-failure.ts";

const coded = (code: string): Error => Object.assign(new Error(`${code}: raw`), { code });

test.each([
  ["ENOENT", "its folder does not exist"],
  ["ENOTDIR", "its folder is not a folder"],
  ["EEXIST", "a file has that name"],
  ["EACCES", "permission was denied"],
  ["EODD", "EODD: raw"],
])("%s is told in words, of a file and of a folder", (code, words) => {
  const cause = coded(code);
  expect(writeFailure(cause, "a/b")).toMatchObject({
    code: "io",
    at: "a/b",
    cause,
    message: `a/b cannot be written: ${words}`,
  });
  expect(folderFailure(cause, "a/b").message).toBe(`a/b cannot be made: ${words}`);
  expect(folderFailure(cause, "a/b", "the cache a/b")).toMatchObject({
    at: "a/b",
    message: `the cache a/b cannot be made: ${words}`,
  });
});

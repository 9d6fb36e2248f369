import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSequences, readText } from "./token-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-ids-"));
});
afterAll(() => rm(folder, { recursive: true }));

const file = async (text: string | Uint8Array): Promise<string> => {
  const path = join(folder, "ids.json");
  await writeFile(path, text);
  return path;
};

describe("readSequences", () => {
  test.each([
    ["a list of ids", "[1,2,3]", [[1, 2, 3]]],
    ["lists of ids", "[[1,2],[3]]", [[1, 2], [3]]],
    ["objects with ids", '[{"ids":[1],"text":"a"},{"ids":[2,3]}]', [[1], [2, 3]]],
  ])("reads %s", async (_, text, expected) => {
    expect(await readSequences(await file(text))).toEqual(expected);
  });

  test.each([
    ["nothing", "", /is not JSON/],
    ["no list", '{"ids":[1]}', /is not a list of token ids/],
    ["an empty list", "[]", /is not a list of token ids/],
    ["an empty sequence", "[[1],[]]", /\[1\] is not a list of token ids/],
    ["a fraction", "[[1.5]]", /holds 1.5, which is no token id/],
    ["a negative id", "[-1]", /holds -1, which is no token id/],
    ["a word", '[["a"]]', /holds "a", which is no token id/],
    ["an object without ids", '[{"text":"a"}]', /is not a list of token ids/],
    ["null", "[null]", /is not a list of token ids/],
  ])("refuses %s with its place", async (_, text, message) => {
    await expect(readSequences(await file(text))).rejects.toThrow(message);
  });

  test("refuses bytes that are not text, and a file that is not there", async () => {
    const path = await file(Uint8Array.of(0x5b, 0xff, 0x5d));
    await expect(readText(path)).rejects.toMatchObject({ code: "foreign", at: path });
    await expect(readText(join(folder, "none"))).rejects.toMatchObject({ code: "io" });
  });
});

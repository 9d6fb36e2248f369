import { mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { asAnybody, CAN_BE_ANYBODY } from "../../test/as-anybody.ts";
import { sha256, toHex } from "../hash.ts";
import { appendJournal, readJournal, type WrittenTensor } from "./weights-journal.ts";

let folder = "";
let path = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-journal-"));
  path = join(folder, "a.journal");
});
afterEach(() => rm(folder, { recursive: true }));

const tensor: WrittenTensor = { name: "a", source: "0".repeat(64), span: "f".repeat(64) };
/** A line whose hash is right, whatever it says. */
const lineOf = (value: unknown): string => hashed(JSON.stringify(value));
const hashed = (text: string): string => `${toHex(sha256(new TextEncoder().encode(text)))} ${text}\n`;

describe("a journal", () => {
  test("has what was appended to it, the last of each name", async () => {
    await appendJournal(path, [tensor, { ...tensor, name: "b", note: { error: [0.5, null] } }]);
    await appendJournal(path, [{ ...tensor, span: "1".repeat(64) }]);
    expect([...(await readJournal(path)).values()]).toEqual([
      { ...tensor, span: "1".repeat(64) },
      { ...tensor, name: "b", note: { error: [0.5, null] } },
    ]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test("loses a line that was torn, and none of those around it", async () => {
    await appendJournal(path, [tensor]);
    await truncate(path, (await stat(path)).size - 20);
    await appendJournal(path, [{ ...tensor, name: "b" }]);
    expect([...(await readJournal(path)).keys()]).toEqual(["b"]);
  });

  test.each<[string, string]>([
    ["no JSON", hashed("{")],
    ["a number", lineOf(5)],
    ["nothing", lineOf(null)],
    ["a text", lineOf("name source span")],
    ["no name", lineOf({ source: tensor.source, span: tensor.span })],
    ["no source", lineOf({ name: "a", span: tensor.span })],
    ["no span", lineOf({ name: "a", source: tensor.source })],
    ["a name that is a number", lineOf({ ...tensor, name: 5 })],
    ["a source that is a list", lineOf({ ...tensor, source: [tensor.source] })],
    ["a span that is a list", lineOf({ ...tensor, span: [tensor.span] })],
    ["a source of 63 digits", lineOf({ ...tensor, source: "0".repeat(63) })],
    ["a span in capitals", lineOf({ ...tensor, span: "F".repeat(64) })],
    ["more than any tensor needs", lineOf({ ...tensor, note: "x".repeat(5000) })],
    ["another hash", lineOf(tensor).replace(/^./, (digit) => (digit === "0" ? "1" : "0"))],
    ["no space after its hash", lineOf(tensor).replace(" ", "_")],
  ])("passes over a line of %s", async (_, line) => {
    await writeFile(path, `${line}${lineOf({ ...tensor, name: "b" })}`);
    expect([...(await readJournal(path)).keys()]).toEqual(["b"]);
  });

  test("that is not there, or larger than any model's, has nothing", async () => {
    expect((await readJournal(path)).size).toBe(0);
    await writeFile(path, lineOf(tensor));
    await truncate(path, 2 ** 28 + 1);
    expect((await readJournal(path)).size).toBe(0);
  });

  test.runIf(CAN_BE_ANYBODY)("that may not be read has nothing", async () => {
    await writeFile(path, lineOf(tensor), { mode: 0 });
    await asAnybody([folder, path], async () => expect((await readJournal(path)).size).toBe(0));
  });

  test("says when it cannot be written", async () => {
    const blocked = join(folder, "none", "a.journal");
    await expect(appendJournal(blocked, [tensor])).rejects.toMatchObject({
      name: "FormatError",
      code: "io",
      at: blocked,
    });
  });
});

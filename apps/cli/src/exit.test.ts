import { readFile } from "node:fs/promises";
import { FormatError } from "@s7l/format";
import { QuantizeError } from "@s7l/quantize";
import { VerifyError } from "@s7l/verify";
import { expect, test } from "vitest";
import { CliError } from "./errors.ts";
import { failureOf, sentenceOf } from "./exit.ts";

test.each<[string, unknown, number, string]>([
  ["a usage error", new CliError("usage", "no"), 2, "usage"],
  ["a file that cannot be read", new FormatError("io", "no"), 2, "io"],
  ["a checkpoint without its files", new QuantizeError("checkpoint", "no"), 2, "checkpoint"],
  ["an interruption", new CliError("interrupted", "no"), 2, "interrupted"],
  ["a tensor of another shape", new QuantizeError("tensor", "no"), 1, "tensor"],
  ["a broken rule", new VerifyError("V3", "chunk", "no"), 1, "chunk"],
  ["a thing that should not happen", new TypeError("no"), 2, "defect"],
  ["a thrown word", "no", 2, "defect"],
])("knows the exit of %s", (_, thrown, exit, code) => {
  expect(failureOf(thrown)).toMatchObject({ exit, code });
});

test("takes an error of the system for one of input or output", async () => {
  const error = await readFile("/nowhere/at/all").catch((thrown: unknown) => thrown);
  expect(failureOf(error)).toMatchObject({ exit: 2, code: "io" });
});

test.each([
  [new VerifyError("V3", "chunk", "a chunk is wrong", "tensor a"), "verify: V3, a chunk is wrong [chunk at tensor a]"],
  [new FormatError("io", "x.s7l cannot be read", "x.s7l"), "verify: x.s7l cannot be read [io]"],
])("says %s in one sentence that names a place once", (error, sentence) => {
  expect(sentenceOf(failureOf(error), "verify")).toBe(sentence);
});

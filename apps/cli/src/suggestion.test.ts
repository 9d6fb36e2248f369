import { expect, test } from "vitest";
import { nearestWord } from "./suggestion.ts";

const VERBS = ["demo", "build", "quantize", "pack", "verify", "run", "eval", "inspect"];

test.each([
  ["verfy", "verify"],
  ["evrify", "verify"],
  ["quantise", "quantize"],
  ["insp", "inspect"],
  ["rnu", "run"],
  ["b", "build"],
])("takes %s for %s", (word, expected) => {
  expect(nearestWord(word, VERBS)).toBe(expected);
});

test.each(["frobnicate", "xyz", ""])("takes %j for nothing that is far away", (word) => {
  expect(nearestWord(word, ["quantize", "inspect"])).toBe(word === "" ? "quantize" : undefined);
});

import { expect, test } from "vitest";
import { madeVocabulary } from "./made-vocabulary.ts";

test.each([1, 2, 98, 99, 774, 24576])("a made vocabulary of %i has a token for each id", (size) => {
  const ids = Object.values(madeVocabulary(size)).sort((a, b) => a - b);
  expect(ids).toEqual(Array.from({ length: size }, (_, id) => id));
});

test("it spells ASCII, one of the end, and words in order", () => {
  const vocabulary = madeVocabulary(24576);
  expect(vocabulary).toMatchObject({
    "▁": 0,
    "<eos>": 1,
    "\n": 2,
    " ": 3,
    "~": 97,
    aa: 98,
    ab: 99,
    zz: 98 + 675,
    aaa: 774,
  });
});

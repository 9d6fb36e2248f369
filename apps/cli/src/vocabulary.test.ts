import { randomWeights, tinyFold } from "@s7l/fixtures";
import type { WeightSource } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { withVocabulary } from "./vocabulary.ts";

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

const TOKENIZER = json({
  model: { type: "BPE", vocab: { a: 0, b: 1, "": 2 } },
  added_tokens: [{ id: 3, content: "<eos>", special: true }],
});
const UNIGRAM = json({
  model: {
    type: "Unigram",
    vocab: [
      ["a", -1],
      ["b", -2],
    ],
  },
});

const weightsWith = (tokenizer?: Uint8Array): WeightSource => {
  const weights = randomWeights(tinyFold("dense"), 1);
  return { ...weights, vocabulary: { eos: [], ...(tokenizer ? { tokenizer } : {}) } };
};

describe("withVocabulary", () => {
  test("seals the map where the checkpoint has no tokenizer", () => {
    const vocab = json({ a: 0 });
    expect(withVocabulary(weightsWith(), vocab, "vocab.json").vocabulary).toEqual({ eos: [], vocab });
  });

  test.each([
    ["a map of tokens and added tokens", TOKENIZER, { b: 1, "<eos>": 3, "": 2 }],
    ["the list of a unigram model", UNIGRAM, { b: 1, a: 0 }],
  ])("keeps the tokenizer where the map agrees with %s", (_, tokenizer, map) => {
    const { vocabulary } = withVocabulary(weightsWith(tokenizer), json(map), "vocab.json");
    expect(vocabulary).toEqual({ eos: [], tokenizer });
  });

  test.each([
    [
      "a token with another id",
      TOKENIZER,
      { a: 1 },
      /token "a" the id 1, but the checkpoint's tokenizer.json gives it 0/,
    ],
    [
      "a token that is not there",
      TOKENIZER,
      { c: 4 },
      /token "c" the id 4, but the checkpoint's tokenizer.json does not have it/,
    ],
    ["an added token with another id", TOKENIZER, { "<eos>": 4 }, /gives it 3/],
    ["anything where the tokenizer has no vocabulary", json({}), { a: 0 }, /does not have it/],
  ])("refuses %s", (_, tokenizer, map, message) => {
    expect(() => withVocabulary(weightsWith(tokenizer), json(map), "vocab.json")).toThrow(message);
  });

  test.each([
    ["no JSON", new TextEncoder().encode("{")],
    ["a list", json(["a"])],
    ["one token twice", new TextEncoder().encode('{"a": 0, "a": 1}')],
    ["ids that are words", json({ a: "0" })],
    ["ids below zero", json({ a: -1 })],
    ["bytes that are not UTF-8", Uint8Array.of(0xff)],
  ])("refuses a vocab.json of %s", (_, bytes) => {
    expect(() => withVocabulary(weightsWith(), bytes, "vocab.json")).toThrow(
      /vocab.json is not a JSON map from tokens to ids/,
    );
  });
});

import { randomWeights, tinyFold } from "@s7l/fixtures";
import type { WeightSource } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { beyondLogits, withVocabulary } from "./vocabulary.ts";

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

describe("beyondLogits", () => {
  const { fold } = weightsWith();
  const tokens = (count: number): Record<string, number> =>
    Object.fromEntries(Array.from({ length: count }, (_, id) => [`t${id}`, id]));
  const sealed = (vocab: number, vocabulary: Omit<WeightSource["vocabulary"], "eos">): WeightSource => ({
    ...weightsWith(),
    fold: { ...fold, vocab },
    vocabulary: { eos: [], ...vocabulary },
  });
  const bpe = (count: number, ...added: number[]): Uint8Array =>
    json({
      model: { type: "BPE", vocab: tokens(count) },
      added_tokens: added.map((id) => ({ id, content: `<${id}>` })),
    });

  test("says nothing of a padded embedding, of a vocabulary that fits, and of none", () => {
    expect(beyondLogits(sealed(128, { tokenizer: bpe(100, 100) }))).toBeUndefined();
    expect(beyondLogits(sealed(101, { tokenizer: bpe(100, 100) }))).toBeUndefined();
    expect(beyondLogits(sealed(4, { vocab: json(tokens(4)) }))).toBeUndefined();
    expect(beyondLogits(sealed(4, {}))).toBeUndefined();
  });

  test.each([
    [
      "an added token",
      { tokenizer: bpe(100, 99, 100) },
      100,
      'tokenizer.json gives 1 of its 102 tokens, such as "<100>",',
    ],
    [
      "another model's tokenizer",
      { tokenizer: bpe(100) },
      4,
      'tokenizer.json gives 96 of its 100 tokens, such as "t4",',
    ],
    ["a map", { vocab: json(tokens(5)) }, 4, 'vocab.json gives 1 of its 5 tokens, such as "t4",'],
  ])("names %s that the model has no logits for", (_, vocabulary, vocab, sentence) => {
    expect(beyondLogits(sealed(vocab, vocabulary))).toBe(
      `${sentence} ids beyond the model's ${vocab} logits: no text that needs one can be run`,
    );
  });
});

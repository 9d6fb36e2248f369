import { describe, expect, test } from "vitest";
import { type Json, openJson, tokenizers, tokenizerTexts } from "../../test/tokenizer-vectors.ts";
import { RuntimeError } from "../errors.ts";

const whole = {
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: { type: "Fuse" },
  model: { type: "BPE", unk_token: "?", vocab: { "?": 0, a: 1, b: 2, ab: 3 }, merges: ["a b"] },
};
const token = {
  id: 4,
  content: "<x>",
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
};
const template = (ids: readonly number[]) => ({
  type: "TemplateProcessing",
  single: [{ SpecialToken: { id: "<x>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
  pair: [],
  special_tokens: { "<x>": { id: "<x>", ids, tokens: ["<x>"] } },
});
const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "first" };
const unigram = {
  type: "Unigram",
  unk_id: 0,
  vocab: [
    ["?", 0],
    ["a", -1],
  ],
};
const nested = (...tokens: readonly string[]) => ({
  ...unigram,
  vocab: [...unigram.vocab.slice(0, 1), ...tokens.map((text) => [text, -1])],
});
const runs = (most: number) => Array.from({ length: most }, (_, at) => "a".repeat(most - at));
const wordPiece = {
  type: "WordPiece",
  unk_token: "?",
  continuing_subword_prefix: "##",
  max_input_chars_per_word: 256,
  vocab: { "?": 0, a: 1, "##b": 2 },
};

describe("a tokenizer.json", () => {
  test("gives every text the ids of the reference, or is refused, or refuses the text", () => {
    const outcomes = tokenizers.flatMap(({ tokenizer, ids }) =>
      tokenizerTexts.map((text, index) => {
        try {
          expect(openJson(tokenizer)?.encode(text), JSON.stringify({ text, tokenizer })).toEqual(ids[index]);
          return 1;
        } catch (error) {
          if (!(error instanceof RuntimeError)) throw error;
          expect(error.code).toBe("tokenizer");
          return 0;
        }
      }),
    );
    const held = outcomes.reduce<number>((sum, one) => sum + one, 0);
    expect(held).toBeGreaterThan(outcomes.length / 2);
  });

  test("that is opened as it stands is refused for one part alone", () => {
    expect(openJson({ ...whole, added_tokens: [token], post_processor: template([4]) })?.encode("ab")).toEqual([4, 3]);
  });

  test.each<[string, Json]>([
    ["words of 256 characters", wordPiece],
    ["words as long as usual", { ...wordPiece, max_input_chars_per_word: undefined }],
    ["tokens of 256 characters", nested("a", "b", "a".repeat(256))],
    ["32 tokens that begin with each other, and others", nested(...runs(32), "ab", "abb", "b")],
  ])("is opened where its model has %s", (_, model) => {
    expect(openJson({ ...whole, model })?.encode("ab").length).toBeGreaterThan(0);
  });

  test.each<[string, Json]>([
    ["its model is none of", { model: { ...whole.model, type: undefined } }],
    ["drops merges at random", { model: { ...whole.model, dropout: 0.1 } }],
    ["prefixes what continues a word", { model: { ...whole.model, continuing_subword_prefix: "##" } }],
    ["falls back to bytes", { model: { ...unigram, byte_fallback: true } }],
    ["words of more than 256 characters", { model: { ...wordPiece, max_input_chars_per_word: 1e9 } }],
    ["words of more than 256 characters", { model: { ...wordPiece, max_input_chars_per_word: "all" } }],
    [
      "words of more than 256 characters",
      { model: { ...wordPiece, type: "WordLevel", max_input_chars_per_word: 257 } },
    ],
    ["by 65 characters", { model: { ...wordPiece, continuing_subword_prefix: "#".repeat(65) } }],
    ["by 65 characters", { model: { ...whole.model, end_of_word_suffix: "w".repeat(65) } }],
    ["what a word continues behind", { model: { ...whole.model, continuing_subword_suffix: "+" } }],
    ["a token of 257 characters", { model: nested("b", "a".repeat(257)) }],
    ["more than 32 tokens that begin with each other", { model: nested(...runs(33), "b", "ab") }],
    ["more than 32 tokens that begin with each other", { model: { ...nested(...runs(33)), type: "WordLevel" } }],
    ["an added token of 257 characters", { added_tokens: [{ ...token, content: "a".repeat(257) }] }],
    ["what is unknown in a row", { model: unigram, pre_tokenizer: { type: "WhitespaceSplit" } }],
    [
      "what is unknown in a row",
      { model: { ...whole.model, fuse_unk: true }, pre_tokenizer: { type: "WhitespaceSplit" } },
    ],
    ["matches whole words alone", { added_tokens: [{ ...token, single_word: true }] }],
    ["has the id 5; the reference gives it 4", { added_tokens: [{ ...token, id: 5 }] }],
    ["has the id 4; the reference gives it 3", { added_tokens: [{ ...token, content: "ab" }] }],
    [
      "takes white space along",
      {
        added_tokens: [
          { ...token, lstrip: true },
          { ...token, id: 5, content: " a" },
        ],
      },
    ],
    ["is not the one of its id", { added_tokens: [token], post_processor: template([3]) }],
    ["is not the one of its id", { added_tokens: [token], post_processor: template([4, 4]) }],
    [
      "is not the one of its id",
      {
        added_tokens: [token],
        post_processor: {
          type: "Sequence",
          processors: [{ type: "RobertaProcessing", cls: ["<x>", 4], sep: ["<x>", 2] }],
        },
      },
    ],
    [
      "the first word alone",
      { pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, metaspace] } },
    ],
    ["the first word alone", { pre_tokenizer: metaspace, normalizer: { type: "Strip", strip_left: true } }],
    [
      "the first word alone",
      { pre_tokenizer: metaspace, normalizer: { type: "NFC" }, added_tokens: [{ ...token, normalized: true }] },
    ],
    [
      "the first word alone",
      { pre_tokenizer: metaspace, added_tokens: [token, { ...token, id: 5, content: ">y", normalized: true }] },
    ],
  ])(
    "is refused by name where the reference reads it otherwise, or where it would take too long: %s",
    (reason, parts) => {
      expect(() => openJson({ ...whole, ...parts })).toThrow(
        expect.objectContaining({ code: "tokenizer", message: expect.stringContaining(reason) }),
      );
    },
  );

  test.each<[string, string, Json]>([
    ["U+FEFF", "a\ufeff<x>", { added_tokens: [{ ...token, lstrip: true }] }],
    ["U+0085", "<x>\u0085a", { added_tokens: [{ ...token, rstrip: true }] }],
    [
      '"<x>"',
      "a<x>",
      { added_tokens: [{ ...token, normalized: true }], normalizer: { type: "Prepend", prepend: "▁" } },
    ],
    ["neither token nor unknown-token", "acb", { model: { ...whole.model, unk_token: null } }],
  ])("refuses a text to which it could give other ids: one with %s", (reason, text, parts) => {
    const tokenizer = openJson({ ...whole, ...parts });
    expect(tokenizer?.encode("ab").length).toBeGreaterThan(0);
    expect(() => tokenizer?.encode(text)).toThrow(
      expect.objectContaining({ code: "tokenizer", message: expect.stringContaining(reason) }),
    );
  });
});

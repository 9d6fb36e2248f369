import { describe, expect, test } from "vitest";
import { type Json, openJson } from "../../test/tokenizer-vectors.ts";

const long = "a".repeat(1 << 15);
const whole = {
  added_tokens: [{ id: 2, content: "<x>", special: true, normalized: false }],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: { type: "Fuse" },
  model: { type: "BPE", unk_token: "?", vocab: { "?": 0, [long]: 1 }, merges: [] },
};
const normalizer = (...normalizers: readonly Json[]) => ({ normalizer: { type: "Sequence", normalizers } });
const preTokenizer = (...pretokenizers: readonly Json[]) => ({ pre_tokenizer: { type: "Sequence", pretokenizers } });
const postProcessor = (...processors: readonly Json[]) => ({ post_processor: { type: "Sequence", processors } });
const decoder = (...decoders: readonly Json[]) => ({ decoder: { type: "Sequence", decoders } });

const replace = (pattern: Json, length: number): Json => ({ type: "Replace", pattern, content: "a".repeat(length) });
const a = { String: "a" };
const text = { Sequence: { id: "A", type_id: 0 } };
const special = { SpecialToken: { id: "<x>", type_id: 0 } };
const template = (...single: readonly Json[]): Json => ({
  type: "TemplateProcessing",
  single,
  pair: [text, text],
  special_tokens: { "<x>": { id: "<x>", ids: [2], tokens: ["<x>"] } },
});
const bert = { type: "BertProcessing", cls: ["<x>", 2], sep: ["<x>", 2] };
const byteLevel = { type: "ByteLevel", add_prefix_space: false, use_regex: true };
const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: false };

describe("a tokenizer.json whose steps make a text longer", () => {
  test.each<[string, Json]>([
    ["sixty-four characters of one", normalizer(replace(a, 8), replace(a, 8))],
    ["many of as many", normalizer(...Array.from({ length: 9 }, () => replace({ String: "a".repeat(50) }, 50)))],
    ["compatibility forms in a row", normalizer({ type: "NFKC" }, { type: "Lowercase" }, { type: "NFKD" })],
    ["what BERT does to white space", normalizer(replace({ Regex: "\\s+" }, 1), { type: "NFD" }, { type: "Strip" })],
    ["256 characters before it", normalizer({ type: "Prepend", prepend: "a".repeat(256) })],
    ["bytes spelt once", preTokenizer({ type: "Digits" }, byteLevel)],
    ["words of SentencePiece", preTokenizer({ type: "WhitespaceSplit" }, metaspace)],
    [
      "a template behind a step that adds nothing",
      postProcessor({ type: "ByteLevel" }, template(special, text, special)),
    ],
    ["a decoder that writes spaces", decoder(replace({ String: "▁" }, 1), { type: "Fuse" })],
    ["sixty-four characters of one in its decoder", decoder(replace(a, 8), replace(a, 8))],
  ])("is opened with %s", (_, parts) => {
    expect(openJson({ ...whole, ...parts })?.encode("a").length).toBeGreaterThan(0);
  });

  test.each<[string, Json]>([
    ["normalizer can make 100000000 characters of one", normalizer(...new Array<Json>(8).fill(replace(a, 10)))],
    ["normalizer can make 65 characters of one", { normalizer: replace({ Regex: "a" }, 65) }],
    ["normalizer can make 100 characters of one", normalizer(normalizer(replace(a, 10)).normalizer, replace(a, 10))],
    [
      "normalizer can make 324 characters of one",
      normalizer({ type: "NFKC" }, replace({ Regex: "[\\s\\S]" }, 1), { type: "NFKC" }),
    ],
    ["normalizer prepends 257 characters", { normalizer: { type: "Prepend", prepend: "a".repeat(257) } }],
    [
      "normalizer prepends 400 characters",
      normalizer(...new Array<Json>(2).fill({ type: "Prepend", prepend: "a".repeat(200) })),
    ],
    ["pre-tokenizer has 30 ByteLevel steps", preTokenizer(...new Array<Json>(30).fill(byteLevel))],
    ["pre-tokenizer has 2 Metaspace steps", preTokenizer(metaspace, preTokenizer(metaspace).pre_tokenizer)],
    ["Metaspace writes a space as other than one character", { pre_tokenizer: { ...metaspace, replacement: "▁▁" } }],
    ["templates hold the text 3 times", { post_processor: template(text, text, text) }],
    ["templates hold the text 18 times", postProcessor(...new Array<Json>(18).fill(template(text)))],
    ["post-processor adds 65 tokens", { post_processor: template(text, ...new Array<Json>(65).fill(special)) }],
    ["post-processor adds 66 tokens", postProcessor(...new Array<Json>(33).fill(bert))],
    ["decoder can make 100 characters of one", decoder(...new Array<Json>(9).fill(replace(a, 10)))],
    ["decoder can make 1000 characters of one", decoder(replace(a, 1000), replace(a, 50))],
  ])("is refused with its reason: its %s", (reason, parts) => {
    expect(() => openJson({ ...whole, ...parts })).toThrow(
      expect.objectContaining({ name: "RuntimeError", code: "tokenizer", message: expect.stringContaining(reason) }),
    );
  });

  test("gives no text for a token that could come to too much of it", () => {
    expect(openJson({ ...whole, ...decoder(replace(a, 2)) })?.decode([1]).length).toBe(2 * long.length);
    expect(() => openJson({ ...whole, ...decoder(replace(a, 3)) })?.decode([1])).toThrow(
      expect.objectContaining({ name: "RuntimeError", code: "tokenizer", message: expect.stringContaining("32768") }),
    );
  });
});

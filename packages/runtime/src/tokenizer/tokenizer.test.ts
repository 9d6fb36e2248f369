import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expenseOf } from "@s7l/fixtures";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readJson, sharedPath } from "../../test/reference.ts";
import { spellBytes } from "./byte-alphabet.ts";
import { openTokenizer, requireTokenizer, type Tokenizer } from "./tokenizer.ts";

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const tokenizerError = expect.objectContaining({ name: "RuntimeError", code: "tokenizer" });

/** All 256 bytes, two merges, and an added token of each sort. */
const byteLevel = (() => {
  const bytes = Array.from({ length: 256 }, (_, byte) => spellBytes(Uint8Array.of(byte)));
  const space = spellBytes(Uint8Array.of(0x20));
  const vocab = Object.fromEntries([...bytes, "he", `${space}he`].map((token, id) => [token, id]));
  return {
    version: "1.0",
    added_tokens: [
      { id: 258, content: "<s>", special: true, normalized: false },
      { id: 259, content: "<tool>", special: false, normalized: false },
    ],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [],
      special_tokens: { "<s>": { id: "<s>", ids: [258], tokens: ["<s>"] } },
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: "BPE", vocab, merges: ["h e", `${space} he`] },
  };
})();

/** As SentencePiece is converted: a space is "▁", a word begins with one, unknown bytes fall back. */
const sentencePiece = {
  version: "1.0",
  added_tokens: [{ id: 0, content: "<unk>", special: true, normalized: false }],
  normalizer: {
    type: "Sequence",
    normalizers: [
      { type: "Prepend", prepend: "▁" },
      { type: "Replace", pattern: { String: " " }, content: "▁" },
    ],
  },
  pre_tokenizer: null,
  post_processor: null,
  decoder: {
    type: "Sequence",
    decoders: [
      { type: "Replace", pattern: { String: "▁" }, content: " " },
      { type: "ByteFallback" },
      { type: "Fuse" },
      { type: "Strip", content: " ", start: 1, stop: 0 },
    ],
  },
  model: {
    type: "BPE",
    unk_token: "<unk>",
    fuse_unk: true,
    byte_fallback: true,
    vocab: Object.fromEntries(
      ["<unk>", "▁", "a", "b", "▁a", "<0xE2>", "<0x82>", "<0xAC>"].map((token, id) => [token, id]),
    ),
    merges: ["▁ a"],
  },
};

function open(file: unknown, vocab = 260): Tokenizer {
  return requireTokenizer({ tokenizer: openTokenizer({ tokenizer: json(file), eos: [] }, vocab) });
}

function openVocab(file: unknown, special: { readonly bos?: number; readonly eos: readonly number[] } = { eos: [] }) {
  return requireTokenizer({ tokenizer: openTokenizer({ vocab: json(file), ...special }, 1 << 20) });
}

/** The pieces of a stream. */
function pieces(tokenizer: Tokenizer, ids: readonly number[]): readonly string[] {
  const stream = tokenizer.stream();
  return [...ids.map(stream.push), stream.end()];
}

describe("a byte-level tokenizer.json", () => {
  const tokenizer = open(byteLevel);

  test("encodes with and without what its template adds", () => {
    expect(tokenizer.encode("he he")).toEqual([258, 256, 257]);
    expect(tokenizer.encode("he he", { template: false })).toEqual([256, 257]);
  });

  test("leaves special tokens out of the text, unless they are wanted", () => {
    expect(tokenizer.decode([258, 256, 259, 257])).toBe("he<tool> he");
    expect(tokenizer.decode([258, 256], { special: true })).toBe("<s>he");
    expect(tokenizer.isSpecial(258)).toBe(true);
    expect(tokenizer.isSpecial(259)).toBe(false);
    expect(tokenizer.bytes(258)).toEqual(new Uint8Array());
  });

  test("streams a character when its last byte has come", () => {
    expect(pieces(tokenizer, [0xe2, 0x82, 0xac, 0x21])).toEqual(["", "", "€", "!", ""]);
    expect(pieces(tokenizer, [0xe2, 0x82])).toEqual(["", "", "\ufffd"]);
    expect(pieces(tokenizer, [0xe2, 0x21])).toEqual(["", "\ufffd!", ""]);
  });

  test("gives every text back, in one piece or in a stream", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (text) => {
        const ids = tokenizer.encode(text, { template: false });
        expect(tokenizer.decode(ids)).toBe(text);
        expect(pieces(tokenizer, ids).join("")).toBe(text);
      }),
      { seed: 7 },
    );
  });

  test("has no bytes for ids without a token", () => {
    expect(tokenizer.bytes(9999)).toEqual(new Uint8Array());
  });

  test("refuses an id that the model has no logits for", () => {
    expect(() => open(byteLevel, 257).encode("a he", { template: false })).toThrow(tokenizerError);
    expect(open(byteLevel, 258).encode("a he", { template: false })).toEqual([0x61, 257]);
  });
});

describe("a tokenizer.json made from SentencePiece", () => {
  const tokenizer = open(sentencePiece, 8);

  test("drops the space that it writes before the first word, and no other", () => {
    expect(tokenizer.encode("a ab")).toEqual([4, 4, 3]);
    expect(tokenizer.decode([4, 4, 3])).toBe("a ab");
    expect(pieces(tokenizer, [4, 4, 3])).toEqual(["a", " a", "b", ""]);
    expect(tokenizer.decode([1, 4])).toBe(" a");
  });

  test("spells bytes by their fallback tokens", () => {
    expect(tokenizer.encode("€")).toEqual([1, 5, 6, 7]);
    expect(pieces(tokenizer, [3, 5, 6, 7])).toEqual(["b", "", "", "€", ""]);
  });

  test("reads a Metaspace decoder alike", () => {
    const metaspace = open({
      ...sentencePiece,
      decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "first" },
    });
    expect(metaspace.decode([4, 4, 3])).toBe("a ab");
    const never = open({ ...sentencePiece, decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "never" } });
    expect(never.decode([4, 4, 3])).toBe(" a ab");
  });
});

describe("a tokenizer.json that cannot be read", () => {
  const { model, ...withoutModel } = byteLevel;
  test.each([
    { what: "no JSON", file: new TextEncoder().encode("{") },
    { what: "no UTF-8", file: Uint8Array.of(0x22, 0xff, 0x22) },
    { what: "a list", file: json([]) },
    { what: "an empty object", file: json({}) },
    { what: "no model", file: json(withoutModel) },
    { what: "an unknown model", file: json({ ...byteLevel, model: { type: "Oracle" } }) },
    { what: "an unknown pre-tokenizer", file: json({ ...byteLevel, pre_tokenizer: { type: "Oracle" } }) },
    { what: "no decoder", file: json({ ...byteLevel, decoder: null }) },
    {
      what: "a decoder that needs neighbours",
      file: json({ ...byteLevel, decoder: { type: "WordPiece", prefix: "##" } }),
    },
    {
      what: "a decoder that replaces by a pattern",
      file: json({ ...byteLevel, decoder: { type: "Replace", pattern: { Regex: "a+" }, content: "" } }),
    },
    {
      what: "a decoder that strips each token",
      file: json({ ...byteLevel, decoder: { type: "Strip", content: " ", start: 1, stop: 0 } }),
    },
    { what: "a decoder of the wrong type", file: json({ ...byteLevel, decoder: "ByteLevel" }) },
    { what: "decoders of the wrong type", file: json({ ...byteLevel, decoder: { type: "Sequence", decoders: [7] } }) },
    { what: "no added tokens", file: json({ ...byteLevel, added_tokens: 7 }) },
    {
      what: "a regular expression that is none",
      file: json({
        ...byteLevel,
        pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated", invert: false },
      }),
    },
    {
      what: "a regular expression that backtracks without end",
      file: json({
        ...byteLevel,
        pre_tokenizer: { type: "Split", pattern: { Regex: "(a+)+b" }, behavior: "Isolated", invert: false },
      }),
    },
    {
      what: "such an expression in a sequence in a sequence",
      file: json({
        ...byteLevel,
        pre_tokenizer: {
          type: "Sequence",
          pretokenizers: [
            {
              type: "Sequence",
              pretokenizers: [{ type: "Split", pattern: { Regex: "(?:a|ab)*c" }, behavior: "Removed", invert: true }],
            },
          ],
        },
      }),
    },
    {
      what: "such an expression in what normalizes",
      file: json({ ...byteLevel, normalizer: { type: "Replace", pattern: { Regex: "\\s*\\s*x" }, content: "" } }),
    },
    {
      what: "33 expressions, one after another",
      file: json({
        ...byteLevel,
        normalizer: {
          type: "Sequence",
          normalizers: Array.from({ length: 33 }, () => ({ type: "Replace", pattern: { Regex: "x+y" }, content: "" })),
        },
      }),
    },
    { what: "a model without a vocabulary", file: json({ ...byteLevel, model: { ...model, vocab: null } }) },
  ])("is refused with its reason: $what", ({ file }) => {
    expect(() => openTokenizer({ tokenizer: file, eos: [] }, 260)).toThrow(tokenizerError);
  });
});

describe("a vocab.json alone", () => {
  const plain = { "▁": 0, "<eos>": 1, a: 2, ab: 3, abc: 4, "🙂": 5, " ": 6, "c ": 7 };

  test("cuts a text into the longest tokens, and says ▁ where none fits", () => {
    expect(openVocab(plain).encode("abcabz🙂c a")).toEqual([4, 3, 0, 5, 7, 2]);
    expect(openVocab(plain).encode("")).toEqual([]);
    expect(openVocab({ x: 5 }).encode("y")).toEqual([0]);
  });

  test("cuts any text as one that tries every length at every place", () => {
    const letters = fc.constantFrom("a", "b", "🙂", "▁", "\u{d83d}");
    const words = fc.array(letters, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(""));
    const vocabularies = fc.uniqueArray(words, { maxLength: 20 });
    const texts = fc.array(letters, { maxLength: 30 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(vocabularies, texts, (tokens, text) => {
        const ids = new Map(tokens.map((token, id) => [token, id + 1]));
        const expected: number[] = [];
        for (let at = 0; at < text.length; ) {
          let length = text.length - at;
          while (length > 0 && !ids.has(text.slice(at, at + length))) length--;
          expected.push(ids.get(text.slice(at, at + length)) ?? ids.get("▁") ?? 0);
          at += length || String.fromCodePoint(text.codePointAt(at) ?? 0).length;
        }
        expect(openVocab(Object.fromEntries(ids)).encode(text)).toEqual(expected);
      }),
      { numRuns: 2000, seed: 17 },
    );
  });

  test("is cut in time that grows with the text's length times the longest token's, not with its cube", async () => {
    const tokens = Array.from({ length: 2000 }, (_, length) => [`${"a".repeat(length)}b`, length] as const);
    const tokenizer = openVocab(Object.fromEntries(tokens));
    const { milliseconds } = await expenseOf(() =>
      expect(tokenizer.encode("a".repeat(2000))).toEqual(new Array(2000).fill(0)),
    );
    expect(milliseconds).toBeLessThan(3000); // 18 s, when every length was tried at every place
  });

  test("takes its ids for the beginning and the end as special", () => {
    const tokenizer = openVocab(plain, { bos: 6, eos: [1] });
    expect(tokenizer.decode([6, 4, 1])).toBe("abc");
    expect(tokenizer.decode([4, 1], { special: true })).toBe("abc<eos>");
  });

  test("is read as bytes where it spells every byte", () => {
    const bytes = Array.from({ length: 256 }, (_, byte) => spellBytes(Uint8Array.of(byte)));
    const spelt = [...bytes, spellBytes(new TextEncoder().encode(" é"))];
    const tokenizer = openVocab(Object.fromEntries(spelt.map((token, id) => [token, id])));
    expect(tokenizer.encode("x é")).toEqual([0x78, 256]);
    expect(tokenizer.decode([0x78, 256])).toBe("x é");
    const short = openVocab(Object.fromEntries(spelt.slice(1).map((token, id) => [token, id])));
    expect(short.decode([255])).toBe(spelt[256]);
  });

  test("is not fooled by names that objects have", () => {
    const file = new TextEncoder().encode('{"▁": 0, "__proto__": 1, "constructor": 2, "toString": 3}');
    const tokenizer = requireTokenizer({ tokenizer: openTokenizer({ vocab: file, eos: [] }, 4) });
    expect(tokenizer.encode("toString__proto__valueOf")).toEqual([3, 1, 0, 0, 0, 0, 0, 0, 0]);
    expect(tokenizer.decode([2])).toBe("constructor");
  });

  test.each([
    { what: "no JSON", file: new TextEncoder().encode("nothing") },
    { what: "a list", file: json(["a", "b"]) },
    { what: "an id that is a string", file: json({ a: "0" }) },
    { what: "a negative id", file: json({ a: -1 }) },
    { what: "a fraction", file: json({ a: 0.5 }) },
    { what: "one id for two tokens", file: json({ a: 0, b: 0 }) },
  ])("is refused with its reason: $what", ({ file }) => {
    expect(() => openTokenizer({ vocab: file, eos: [] }, 10)).toThrow(tokenizerError);
  });
});

test("a tokenizer.json goes before a vocab.json, and without either there is no text", () => {
  const both = openTokenizer({ tokenizer: json(byteLevel), vocab: json({ he: 3 }), eos: [] }, 260);
  expect(both?.encode("he", { template: false })).toEqual([256]);
  const neither = openTokenizer({ eos: [] }, 260);
  expect(neither).toBeUndefined();
  expect(() => requireTokenizer({ tokenizer: neither })).toThrow(expect.objectContaining({ code: "no-text" }));
});

interface Vector {
  readonly text: string;
  readonly ids: readonly number[];
  readonly ids_no_special: readonly number[];
  readonly decoded: string;
  readonly decoded_keep_special: string;
}

const vectors = sharedPath("tokenizers");
describe.skipIf(!existsSync(vectors)).each(["bpe512", "bpe4096", "bpe4096-llama3", "spbpe2048"])(
  "the vectors of %s",
  (name) => {
    const file = existsSync(vectors) ? readFileSync(join(vectors, name, "tokenizer.json")) : new Uint8Array();
    const cases = existsSync(vectors) ? readJson<Vector[]>(join(vectors, name, "vectors.json")) : [];

    test("hold in both directions", () => {
      const tokenizer = requireTokenizer({
        tokenizer: openTokenizer({ tokenizer: new Uint8Array(file), eos: [] }, 4096),
      });
      expect(cases.length).toBeGreaterThan(20);
      for (const { text, ids, ids_no_special, decoded, decoded_keep_special } of cases) {
        expect(tokenizer.encode(text)).toEqual(ids);
        expect(tokenizer.encode(text, { template: false })).toEqual(ids_no_special);
        expect(tokenizer.decode(ids)).toBe(decoded);
        expect(tokenizer.decode(ids, { special: true })).toBe(decoded_keep_special);
        expect(pieces(tokenizer, ids).join("")).toBe(decoded);
      }
    });
  },
);

import { describe, expect, test } from "vitest";
import { openJson, steps, stepTexts } from "../../test/tokenizer-vectors.ts";

/** A tokenizer of one step, each of whose tokens is a piece. */
function tokenizerOf(kind: string, part: unknown, pieces: Iterable<string> = []) {
  const whole = {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: "Fuse" },
    model: {
      type: "WordLevel",
      unk_token: "<unk>",
      vocab: Object.fromEntries([...pieces].map((piece, id) => [piece, id])),
    },
    [kind]: part,
  };
  return openJson(whole);
}

describe("a step that normalizes or splits", () => {
  test.each(steps.map((step) => [JSON.stringify(step.part), step] as const))(
    "makes the same pieces of any text as the reference: %s",
    (_, { kind, part, pieces }) => {
      const tokens = [...new Set(pieces.flat())];
      const tokenizer = tokenizerOf(kind, part, tokens);
      for (const [index, text] of stepTexts.entries())
        expect(
          tokenizer?.encode(text).map((id) => tokens[id]),
          JSON.stringify(text),
        ).toEqual(pieces[index]);
    },
  );

  const split = { type: "Split", pattern: { Regex: "o" }, behavior: "Isolated", invert: false };
  test.each([
    ["normalizer", { type: "BertNormalizer", lowercase: true }, 'its normalizer "BertNormalizer"'],
    ["normalizer", { type: "Precompiled", precompiled_charsmap: "AAAA" }, 'its normalizer "Precompiled"'],
    ["normalizer", { type: "Sequence", normalizers: [{ type: "Nmt" }] }, 'its normalizer "Nmt"'],
    ["normalizer", { type: "Replace", pattern: { Regex: "x*" }, content: "" }, "where there is no text"],
    ["pre_tokenizer", { type: "UnicodeScripts" }, 'its pre-tokenizer "UnicodeScripts"'],
    ["pre_tokenizer", { type: "FixedLength", length: 2 }, 'its pre-tokenizer "FixedLength"'],
    ["pre_tokenizer", { type: "Replace", pattern: { String: "a" }, content: "" }, 'its pre-tokenizer "Replace"'],
    ["pre_tokenizer", { ...split, behavior: "Mirrored" }, 'the behavior "Mirrored"'],
    ["pre_tokenizer", { ...split, behavior: "Removed", pattern: { Regex: "(o)" } }, "capturing groups"],
    ["pre_tokenizer", { ...split, behavior: "MergedWithNext", pattern: { Regex: "(?=o)" } }, "where there is no text"],
    ["pre_tokenizer", { ...split, behavior: "Contiguous", pattern: { String: "" } }, "where there is no text"],
    ["pre_tokenizer", { ...split, pattern: {} }, "neither Regex nor String"],
  ])("is refused by name where the library cannot run it so: %s %o", (kind, part, reason) => {
    expect(() => tokenizerOf(kind, part)).toThrow(
      expect.objectContaining({ code: "tokenizer", message: expect.stringContaining(reason) }),
    );
  });

  test("splits a long text without a match in time that grows with its length", () => {
    const long = `o${"a".repeat(200_000)}`;
    for (const pattern of ["x", "o", "o+(?!o)"])
      for (const behavior of ["MergedWithPrevious", "MergedWithNext"]) {
        const part = { ...split, behavior, pattern: { Regex: pattern } };
        const ids = tokenizerOf("pre_tokenizer", part, ["o", long.slice(1), long])?.encode(long);
        expect(ids).toEqual(pattern !== "x" && behavior === "MergedWithPrevious" ? [0, 1] : [2]);
      }
  });
});

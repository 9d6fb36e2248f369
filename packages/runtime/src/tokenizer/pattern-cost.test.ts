import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { patternFault } from "./pattern-cost.ts";

/** Three ways to match no text, two of which look through all of it. */
const WAYS = "(?:(?=.*)|(?=.*)|)";

/** As @huggingface/tokenizers compiles what these tokenizers publish. */
const PUBLISHED = {
  "GPT-2": String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
  cl100k: String.raw`'(?:[sdmtDMST]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|(?:\p{N}{1,3})+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?:(?=\n)|(?![\s\S]))|\s*[\r\n]|\s+(?!\S)|\s`,
  o200k: String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?:'[sS]|'[rR][eE])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  Kimi: String.raw`[\p{Script=Han}]+|[^\r\n\p{L}\p{N}]?(?:(?=[^\p{Script=Han}])[\p{Lu}\p{M}])*(?:(?=[^\p{Script=Han}])[\p{Ll}\p{M}])+(?:'[sS])?`,
  DeepSeek: String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_${"`"}{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  "digits from the right": String.raw`\p{Nd}{1,3}(?=(?:\p{Nd}{3})*(?:(?<![\p{L}\p{Nd}])(?=[\p{L}\p{Nd}])|(?<=[\p{L}])(?![\p{Nd}])))`,
  BLOOM: String.raw` ?[^()|\s.,!?…。，、।۔،]+`,
  "a count to the most that is allowed": "a{1000}b",
  "named groups and escapes": String.raw`(?<word>\u{1F600}|\x41\u0042\cA\.)+?`,
};

describe("patternFault", () => {
  test.each(Object.entries(PUBLISHED))("lets the pattern of %s pass", (_, pattern) => {
    expect(() => new RegExp(pattern, "u")).not.toThrow();
    expect(patternFault(pattern)).toBeUndefined();
  });

  test.each([
    ["repetition in repetition", "(a+)+b", /several ways/],
    ["the same in a group with a name", "(?<x>a+)*b", /several ways/],
    ["alternatives that overlap", "(a|a)*b", /several ways/],
    ["alternatives that begin alike", "(?:a|ab)+c", /several ways/],
    ["an optional part in a repetition", "(?:ab?)+c", /several ways/],
    ["a word and perhaps a space", String.raw`(\w+\s?)*$`, /several ways/],
    ["what a lookahead can take in many ways", "(?=(a+)+b)c", /several ways/],
    ["rounds that must be two", "(?:a{1,2}){2,}", /several ways/],
    ["a counted group of several ways", "(?:a|a){30}b", /several ways/],
    ["two repetitions in a row", String.raw`\s*\s*x`, /more than one place/],
    ["two repetitions far apart", "a.*b.*c", /more than one place/],
    ["two repetitions counted high", "a{0,1000}a{0,1000}b", /more than one place/],
    ["a repetition before one in a lookahead", "a+(?!a+b)", /more than one place/],
    ["thirty optional characters", `${"a?".repeat(30)}b`, /more than 32 ways/],
    ["twelve pairs of alternatives", `${"(?:a|a)".repeat(12)}b`, /more than 32 ways/],
    ["a reference back", String.raw`(a+)\1b`, /refers back/],
    ["a reference back by name", String.raw`(?<x>a)\k<x>`, /refers back/],
    ["rounds of no text, which JavaScript fails", `a(?:${WAYS.repeat(9)}(?:(?=.*)|b|))*`, /several ways/],
    ["the same where one must be", `a(?:${WAYS.repeat(9)}(?:(?=.*)|b|))+`, /several ways/],
    ["one such round at most", `a(?:${WAYS.repeat(9)}(?:(?=.*)|b|))?`, /more than one place/],
    ["a count in the thousands", "(?:a{1000}){1001}", /counts to 1001/],
    ["counts in counts", "(?:a{1000}){1000}", /counts out 1000000 characters/],
    ["counts in a lookahead in counts", "(?:(?=(?:a{30}){30})b){2}", /counts out 1802 characters/],
    ["many counts in a row", "(?=a{999}b|)".repeat(5), /has 5000 characters; 4096/],
    ["a count in what repeats without bound", "(?:(?=a{1000})a)*b", /has 1002 characters; 256/],
    ["counts in counts in what repeats", "(?:(?=(?:a{30}){30})a)*b", /has 902 characters; 256/],
    ["a count behind what repeats without bound", "a*a{900}b", /has 902 characters; 256/],
    ["nesting without end", "(".repeat(40) + ")".repeat(40), /nests groups/],
    ["more than 16,384 characters", "a".repeat(20_000), /has 20000 characters/],
    ["a bracket too many", "a)", /brackets/],
    ["a bracket too few", "(a", /brackets/],
    ["a class that does not end", "[a", /none that can be read/],
  ])("refuses %s", (_, pattern, reason) => {
    expect(patternFault(pattern)).toMatch(reason);
  });

  test("lets nothing pass that takes long on a text made to fail", () => {
    const atom = fc.constantFrom("a", "[ab]", ".", "(?=a)", "(?!b)");
    const quantifier = fc.constantFrom("", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?");
    const { pattern } = fc.letrec<{ pattern: string; piece: string }>((tie) => ({
      piece: fc
        .tuple(
          fc.oneof(
            { maxDepth: 3 },
            atom,
            tie("pattern").map((inner) => `(?:${inner})`),
          ),
          quantifier,
        )
        .map(([body, times]) => (body.startsWith("(?=") || body.startsWith("(?!") ? body : body + times)),
      pattern: fc
        .array(fc.array(tie("piece"), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 2 })
        .map((options) => options.map((items) => items.join("")).join("|")),
    }));
    const texts = ["a", "ab", "aab"].map((unit) => `${unit.repeat(400)}c`);
    let passed = 0;
    fc.assert(
      fc.property(pattern, (source) => {
        if (patternFault(source) !== undefined) return;
        passed++;
        const failing = new RegExp(`${source}`, "gu");
        for (const text of texts) {
          const began = performance.now();
          for (const _ of text.matchAll(failing));
          expect(performance.now() - began, source).toBeLessThan(1000);
        }
      }),
      { seed: 5, numRuns: 4000 },
    );
    expect(passed).toBeGreaterThan(500);
  });
});

/**
 * The steps of a tokenizer.json that normalize and split, restated for the library that runs them. It reads some otherwise than the
 * reference (the Rust crate `tokenizers`, which defines the format): it splits alike whatever a Split's `behavior` is, knows digits
 * and words of ASCII alone, takes JavaScript's white space for Unicode's, and so on. Each of these is the same as a step that it
 * runs rightly, nearly always a Split by a regular expression; what is not is refused, as a text would silently get other ids.
 *
 * Held to the reference over random texts by `test/goldens/tokenizer-vectors.json`.
 */

import { Tokenizer } from "@huggingface/tokenizers";
import { isObject, type JsonObject } from "./json-object.ts";
import { canMatchNothing } from "./pattern-cost.ts";

/** A normalizer that the library runs as the reference would. Throws Error, with the reason, where there is none. */
export function restateNormalizer(part: unknown): unknown {
  if (!isObject(part)) return part;
  switch (part.type) {
    case "Sequence":
      return { ...part, normalizers: list(part.normalizers).map(restateNormalizer) };
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
    case "StripAccents":
      return part;
    case "Lowercase":
      // The reference lowercases each character alone; JavaScript knows that a sigma ends a word.
      return { type: "Sequence", normalizers: [{ type: "Replace", pattern: { String: "Σ" }, content: "σ" }, part] };
    case "Strip":
      return {
        type: "Sequence",
        normalizers: [
          ...(part.strip_left === true ? [replace("\\A\\s+", "")] : []),
          ...(part.strip_right === true ? [replace("\\s+\\z", "")] : []),
        ],
      };
    case "Prepend":
      if (typeof part.prepend !== "string") break;
      return replace("\\A(?=[\\s\\S])", literal(part.prepend));
    case "Replace":
      if (typeof part.content !== "string") break;
      assertMatchesText(part.pattern);
      return { ...part, content: literal(part.content) };
  }
  throw new Error(`its normalizer "${part.type}" is not one that this release runs as the reference does`);
}

/** A pre-tokenizer that the library runs as the reference would. Throws Error, with the reason, where there is none. */
export function restatePreTokenizer(part: unknown): unknown {
  if (!isObject(part)) return part;
  switch (part.type) {
    case "Sequence":
      return sequence(list(part.pretokenizers).map(restatePreTokenizer));
    case "Split":
      if (part.behavior !== "Isolated") assertMatchesText(part.pattern);
      return split(regexOf(part.pattern), part.behavior, part.invert === true);
    case "Digits":
      return split("\\p{N}", part.individual_digits === true ? "Isolated" : "Contiguous");
    case "Punctuation":
      return split(PUNCTUATION, part.behavior ?? "Isolated");
    case "CharDelimiterSplit":
      return split(regexOf({ String: part.delimiter }), "Removed");
    case "WhitespaceSplit":
      return split("\\s", "Removed");
    case "Whitespace":
      return split(`[${WORD}]+|[^${WORD}\\s]+`, "Removed", true);
    case "BertPreTokenizer":
      return sequence([split("\\s", "Removed"), split(PUNCTUATION, "Isolated")]);
    case "ByteLevel":
      if (part.use_regex === false) return part;
      return sequence([
        ...(part.add_prefix_space === true ? [replace("\\A(?=[^ ])", " ")] : []),
        split(WORDS_OF_GPT2, "Isolated"),
        { ...part, use_regex: false, add_prefix_space: false },
      ]);
    case "Metaspace": {
      const { replacement = "▁", prepend_scheme = "always" } = part;
      return sequence([
        { type: "Metaspace", replacement, prepend_scheme },
        ...(part.split === false ? [] : [split(regexOf({ String: replacement }), "MergedWithNext")]),
      ]);
    }
  }
  throw new Error(`its pre-tokenizer "${part.type}" is not one that this release runs as the reference does`);
}

/**
 * A model that the library runs as the reference would. BPE without an unknown-token leaves out what it has no token for: the
 * reference before it merges what is left, the library after. Here that part gets a token without an id, which a caller refuses.
 */
export function restateModel(model: unknown): unknown {
  if (!isObject(model) || model.type !== "BPE" || (model.unk_token ?? null) !== null) return model;
  return { ...model, unk_token: "\0no token" };
}

/** The Rust crate `regex` counts joiners among the characters of words; the other patterns are Oniguruma's, which does not. */
const WORD = "\\w\\p{Join_Control}";
const PUNCTUATION = "[\\p{P}\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e]";
const WORDS_OF_GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/**
 * A split by a pattern: what it matches and what lies between. `behavior` says which pieces are joined; `invert` takes what lies
 * between for the matches. Only Isolated and Removed are left to the library, so the others' joints are put into the pattern.
 */
function split(pattern: string, behavior: unknown, invert = false): JsonObject {
  const isolated = (joined: string): JsonObject => ({
    type: "Split",
    pattern: { Regex: joined },
    behavior: "Isolated",
    invert: false,
  });
  switch (behavior) {
    case "Isolated":
      return isolated(pattern);
    case "Contiguous":
      return isolated(`(?:${pattern})+`);
    case "Removed":
      // JavaScript's split would give what a group captures as pieces of their own.
      if (!invert && /\((?!\?)|\(\?<(?![=!])/.test(pattern.replaceAll(/\\[\s\S]/g, "")))
        throw new Error("its Split removes what a pattern with capturing groups matches");
      return { type: "Split", pattern: { Regex: pattern }, behavior: "Removed", invert };
    case "MergedWithPrevious":
    case "MergedWithNext":
      // What lies between and the match that ends it; a match and what lies behind it. Neither can fail once it has begun.
      return isolated(
        (behavior === "MergedWithPrevious") !== invert
          ? `(?:(?!${pattern})[\\s\\S])*(?:${pattern})?`
          : `(?:${pattern})(?:(?!${pattern})[\\s\\S])*`,
      );
  }
  throw new Error(`its Split has the behavior "${behavior}", which is none`);
}

/** A pattern as a regular expression: of a String, one that matches that text. */
function regexOf(pattern: unknown): string {
  if (isObject(pattern) && typeof pattern.Regex === "string") return pattern.Regex;
  if (isObject(pattern) && typeof pattern.String === "string")
    return pattern.String.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&");
  throw new Error("it splits by a pattern that is neither Regex nor String");
}

/** Matches of no text are found at other places, and joined otherwise, by the reference. */
function assertMatchesText(pattern: unknown): void {
  const split = { type: "Split", pattern: { Regex: regexOf(pattern) }, behavior: "Isolated", invert: false };
  // What is judged is what the library makes of it, which it gives only as part of a tokenizer.
  const { pre_tokenizer } = new Tokenizer({ ...NO_TOKENIZER, pre_tokenizer: split }, {});
  for (const part of Object.values(pre_tokenizer ?? {}))
    if (part instanceof RegExp && canMatchNothing(part.source))
      throw new Error("its pattern also matches where there is no text");
}

const NO_TOKENIZER = {
  added_tokens: [],
  normalizer: null,
  post_processor: null,
  decoder: null,
  model: { type: "BPE", vocab: {}, merges: [] },
};

const sequence = (pretokenizers: readonly unknown[]): JsonObject => ({ type: "Sequence", pretokenizers });
const replace = (regex: string, content: string): JsonObject => ({
  type: "Replace",
  pattern: { Regex: regex },
  content,
});

/** The library hands contents to JavaScript's replaceAll, where a dollar sign has a meaning. */
const literal = (content: string): string => content.replaceAll("$", "$$$$");

function list(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new Error("a Sequence of it holds no list");
}

/** A Hugging Face tokenizer.json, through @huggingface/tokenizers. */
import { Tokenizer as HfTokenizer } from "@huggingface/tokenizers";
import { RuntimeError } from "../errors.ts";
import { type JsonObject, parseJsonObject } from "./json-object.ts";
import { patternFault } from "./pattern-cost.ts";
import { createPrefixSearch } from "./prefix-search.ts";
import { growthFault } from "./step-growth.ts";
import { readSpelling } from "./token-spelling.ts";
import type { TokenTable } from "./tokenizer.ts";
import { splitsFirstWord, tokenizerFault, unsureParts } from "./tokenizer-fault.ts";
import { restateModel, restateNormalizer, restatePreTokenizer } from "./tokenizer-steps.ts";

/** Characters of a pattern as it is written; published ones have some hundreds. The library's rewriting is not linear. */
const LONGEST_PATTERN = 4096;
/** Values in the parts that normalize and split, which are lists of a few steps. */
const MOST_VALUES = 10_000;
/** Splits of a text one after another, each with a pattern; published tokenizers have up to four. */
const MOST_PATTERNS = 32;

/**
 * Opens a tokenizer.json, UTF-8. Throws RuntimeError `tokenizer` for what is not one, for one that would give other ids than the
 * reference does (see `tokenizer-fault.ts`), for steps that could make a text many times longer (see `step-growth.ts`), and for a
 * regular expression that could take longer than the square of a text's length (see `pattern-cost.ts`): its sealer is a stranger.
 */
export function openTokenizerJson(file: Uint8Array): TokenTable {
  const json = parseJsonObject(file, "tokenizer.json");
  const spelling = readSpelling(json.decoder);
  const { tokenizer, added } = attempt(
    "cannot be read",
    () => {
      assertShortParts([json.normalizer, json.pre_tokenizer, json.post_processor, json.decoder]);
      const fault = growthFault(json);
      if (fault !== undefined) throw new Error(fault);
      const restated = restate(json);
      assertShortParts([restated.normalizer, restated.pre_tokenizer]);
      const tokenizer = new HfTokenizer(restated, {});
      assertBoundedPatterns([tokenizer.normalizer, tokenizer.pre_tokenizer]);
      return { tokenizer, added: tokenizer.get_added_tokens_decoder() };
    },
    "; seal another, or none and give token ids",
  );
  const unsure = createFinder(unsureParts(json));
  const encoder = new TextEncoder();
  return {
    encode: (text, template) =>
      attempt("failed on a text", () => {
        const part = unsure(text);
        if (part !== undefined) throw new Error(`${nameOf(part)} may get other ids here than elsewhere: leave it out`);
        return tokenizer.encode(text, { add_special_tokens: template }).ids;
      }),
    bytes: (id) => {
      const literal = added.get(id);
      if (literal) return encoder.encode(literal.content);
      const token: unknown = tokenizer.id_to_token(id);
      return typeof token === "string" ? spelling.bytes(token) : undefined;
    },
    special: new Map([...added].flatMap(([id, { special, content }]) => (special ? [[id, content] as const] : []))),
    leadingSpaces: spelling.leadingSpaces,
  };
}

/** The same tokenizer, of steps that the library runs as the reference does. Throws Error where there is none. */
function restate(json: JsonObject): JsonObject {
  const fault = tokenizerFault(json);
  if (fault !== undefined) throw new Error(fault);
  // Without a normalizer the library looks for added tokens of both kinds at once, not for the normalized after the others.
  const apart = json.normalizer === null && !splitsFirstWord(json);
  const normalizer = apart ? { type: "Sequence", normalizers: [] } : json.normalizer;
  return {
    ...json,
    normalizer: restateNormalizer(normalizer),
    pre_tokenizer: restatePreTokenizer(json.pre_tokenizer),
    model: restateModel(json.model),
  };
}

/** Before the library reads them: it neither bounds what it builds of a list nor how long it rewrites a pattern. */
function assertShortParts(parts: unknown): void {
  let values = 0;
  let patterns = 0;
  const visit = (part: unknown, key = ""): void => {
    if (++values > MOST_VALUES) throw new Error(`its steps hold more than ${MOST_VALUES} values`);
    if (key === "Regex" && typeof part === "string" && part.length > LONGEST_PATTERN)
      throw new Error(`a pattern has ${part.length} characters, more than ${LONGEST_PATTERN}`);
    if (key === "Regex" && ++patterns > MOST_PATTERNS) throw new Error(`it has more than ${MOST_PATTERNS} patterns`);
    if (typeof part === "object" && part !== null) for (const [name, inner] of Object.entries(part)) visit(inner, name);
  };
  visit(parts);
}

/** Looks at the patterns as the library compiled them: what is judged is what runs. */
function assertBoundedPatterns(parts: unknown): void {
  let patterns = 0;
  const visit = (part: unknown): void => {
    if (part instanceof RegExp) {
      const fault = ++patterns > MOST_PATTERNS ? `one of more than ${MOST_PATTERNS}` : patternFault(part.source);
      if (fault !== undefined) throw new Error(`its pattern ${part.source.slice(0, 80)} is not run: ${fault}`);
    } else if ((typeof part === "object" && part !== null) || typeof part === "function")
      // The library's parts are callable: functions with fields.
      for (const inner of Object.values(part)) visit(inner);
  };
  visit(parts);
}

/** Finds one of these parts in a text. */
function createFinder(parts: readonly string[]): (text: string) => string | undefined {
  const search = createPrefixSearch(new Set(parts));
  return (text) => {
    let found: string | undefined;
    for (let at = 0; at < text.length && parts.length > 0 && found === undefined; at++)
      search(
        (depth) => text.charCodeAt(at + depth),
        (part) => {
          found = part;
          return true;
        },
      );
    return found;
  };
}

const nameOf = (part: string): string =>
  part.length > 1 ? JSON.stringify(part) : `U+${part.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/** The library throws whatever it trips over; a caller sees one kind of error. */
function attempt<T>(failure: string, run: () => T, wayOut = ""): T {
  try {
    return run();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RuntimeError("tokenizer", `the sealed tokenizer.json ${failure}: ${reason}${wayOut}`, "VOCAB", { cause });
  }
}

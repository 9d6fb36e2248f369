/**
 * What in a tokenizer.json the library reads otherwise than the reference and cannot be restated: such a tokenizer would give some
 * texts other ids, and say nothing, so it is refused by the name of what it holds. So is a model of a size that the library takes
 * too long for.
 */

import { usesByteAlphabet } from "./byte-alphabet.ts";
import { isObject, type JsonObject, listed, stepsOf } from "./json-object.ts";

/** Why a tokenizer.json is not run, or undefined. */
export function tokenizerFault(json: JsonObject): string | undefined {
  const vocab = vocabularyOf(json.model);
  const added = Array.isArray(json.added_tokens) ? json.added_tokens.filter(isObject) : [];
  const ids = new Map(added.map(({ content, id }) => [content, id]));
  return (
    modelFault(json.model) ??
    wordFault(json.model) ??
    nestedFault(json.model) ??
    unknownFault(json, vocab) ??
    addedTokensFault(added, vocab) ??
    templateFault(json.post_processor, (token) => ids.get(token) ?? vocab.get(token)) ??
    firstWordFault(json, added)
  );
}

const MODELS: readonly unknown[] = ["BPE", "Unigram", "WordPiece", "WordLevel"];

function modelFault(model: unknown): string | undefined {
  if (!isObject(model) || !MODELS.includes(model.type)) return `its model is none of ${MODELS.join(", ")}`;
  if (model.dropout) return "its model drops merges at random";
  if (model.type === "BPE" && model.continuing_subword_prefix) return "its BPE model prefixes what continues a word";
  if (model.type === "Unigram" && model.byte_fallback === true) return "its Unigram model falls back to bytes";
  return undefined;
}

/** Characters of a word that WordPiece takes apart, in time that grows with their cube; published models have 100. */
const LONGEST_WORD = 256;
/** Characters that mark where in a word a token stands; published ones have up to four. */
const LONGEST_MARK = 64;

/** Whatever the model's type says: the library tells models by what they hold, too. */
function wordFault(model: unknown): string | undefined {
  if (!isObject(model)) return undefined;
  const longest = model.max_input_chars_per_word ?? 0;
  if (typeof longest !== "number" || longest > LONGEST_WORD)
    return `its model takes apart words of more than ${LONGEST_WORD} characters`;
  // The library alone knows it.
  if (model.continuing_subword_suffix) return "its model suffixes what a word continues behind";
  const marks = [model.continuing_subword_prefix, model.end_of_word_suffix];
  const long = marks.find((mark) => typeof mark === "string" && mark.length > LONGEST_MARK);
  return typeof long === "string"
    ? `its model marks tokens of words by ${long.length} characters; ${LONGEST_MARK} are allowed`
    : undefined;
}

/** Characters of a token that is sought at every place of a text; SentencePiece makes tokens of up to 16. */
const LONGEST_TOKEN = 256;
/** Tokens that begin with each other: of so many, Unigram weighs each at a place against as many before it. */
const MOST_NESTED = 32;

/** What Unigram would have to weigh at every place of a text. */
function nestedFault(model: unknown): string | undefined {
  const tokens = isObject(model) ? listed(model.vocab).map((entry) => String(listed(entry)[0])) : [];
  const long = tokens.find((token) => token.length > LONGEST_TOKEN);
  if (long !== undefined)
    return `its Unigram model has a token of ${long.length} characters; ${LONGEST_TOKEN} are allowed`;
  // In order, a token comes behind those that it begins with.
  const beginnings: string[] = [];
  for (const token of new Set(tokens.toSorted())) {
    while (!token.startsWith(beginnings.at(-1) ?? "")) beginnings.pop();
    if (beginnings.push(token) > MOST_NESTED)
      return `its Unigram model has more than ${MOST_NESTED} tokens that begin with each other`;
  }
  return undefined;
}

/**
 * Texts with any of these in them would get other ids: added tokens that are sought after a Prepend, which the library also finds
 * where nothing was prepended; and where added tokens take white space along, what JavaScript alone, or it alone not, calls so.
 */
export function unsureParts({ added_tokens, normalizer }: JsonObject): readonly string[] {
  const added = listed(added_tokens).filter(isObject);
  const prepends = stepsOf(normalizer, "normalizers").some(({ type }) => type === "Prepend");
  return [
    ...(added.some(strips) ? ["\u0085", "\ufeff"] : []),
    ...added.flatMap(({ content, normalized }) =>
      prepends && normalized !== false && typeof content === "string" && content !== "" ? [content] : [],
    ),
  ];
}

const strips = ({ lstrip, rstrip }: JsonObject): boolean => lstrip === true || rstrip === true;

/** One unknown-token stands for all that is unknown in a row: to the reference within a piece, to the library across pieces. */
function unknownFault({ model, pre_tokenizer }: JsonObject, vocab: ReadonlyMap<string, unknown>): string | undefined {
  if (!isObject(model)) return undefined;
  const fuses = model.type === "Unigram" || (model.type === "BPE" && model.fuse_unk === true && model.unk_token);
  const steps = stepsOf(pre_tokenizer, "pretokenizers");
  const last = steps.at(-1);
  // Then no two unknown parts are neighbours: each piece but the first begins with a token of its own.
  const begins =
    last?.type === "Metaspace" &&
    (steps.length === 1 || (last.prepend_scheme ?? "always") === "always") &&
    vocab.has(String(last.replacement ?? "▁"));
  const has = (token: string): boolean => vocab.has(token);
  const complete = (model.byte_fallback === true && BYTE_TOKENS.every(has)) || usesByteAlphabet(has);
  return fuses && steps.length > 0 && !begins && !complete
    ? "its model makes one of what is unknown in a row, across what its pre-tokenizer splits"
    : undefined;
}

const BYTE_TOKENS = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);

/** The reference counts ids of added tokens on from the model's, whatever the file says; the library believes the file. */
function addedTokensFault(added: readonly JsonObject[], vocab: ReadonlyMap<string, unknown>): string | undefined {
  const ids = new Map<unknown, number>();
  let last = -1;
  const takesSpace = added.some(strips);
  for (const { content, id, single_word } of added) {
    const name = JSON.stringify(content);
    if (typeof content === "string" && content.length > LONGEST_TOKEN)
      return `it has an added token of ${content.length} characters; ${LONGEST_TOKEN} are allowed`;
    if (single_word === true) return `its added token ${name} matches whole words alone`;
    if (takesSpace && typeof content === "string" && content !== content.trim())
      return `its added token ${name} is beside one that takes white space along`;
    if (typeof content !== "string" || typeof id !== "number") return `its added token ${name} has no text or no id`;
    const expected = vocab.get(content) ?? ids.get(content) ?? (last >= vocab.size ? last + 1 : vocab.size);
    if (id !== expected) return `its added token ${name} has the id ${id}; the reference gives it ${expected}`;
    ids.set(content, id);
    last = Math.max(last, id);
  }
  return undefined;
}

/** The library looks a template's tokens up by name, where the reference takes the ids that stand beside them. */
function templateFault(part: unknown, idOf: (token: string) => unknown): string | undefined {
  if (!isObject(part)) return undefined;
  const fault = (token: unknown): string => `its template's token ${JSON.stringify(token)} is not the one of its id`;
  switch (part.type) {
    case "Sequence":
      return listed(part.processors)
        .map((inner) => templateFault(inner, idOf))
        .find((reason) => reason !== undefined);
    case "BertProcessing":
    case "RobertaProcessing":
      for (const pair of [part.cls, part.sep]) {
        const [token, id] = listed(pair);
        if (typeof token !== "string" || idOf(token) !== id) return fault(token);
      }
      return undefined;
    case "TemplateProcessing":
      for (const item of listed(part.single)) {
        if (!isObject(item) || !isObject(item.SpecialToken)) continue;
        const token = item.SpecialToken.id;
        const named = isObject(part.special_tokens) ? part.special_tokens[String(token)] : undefined;
        const ids = isObject(named) ? listed(named.ids) : [];
        if (typeof token !== "string" || ids.length !== 1 || idOf(token) !== ids[0]) return fault(token);
      }
      return undefined;
    default:
      return undefined;
  }
}

/** The library takes all before the first added token that is not normalized for the first word, wherever it began. */
function firstWordFault({ normalizer, pre_tokenizer }: JsonObject, added: readonly JsonObject[]): string | undefined {
  const first = stepsOf(pre_tokenizer, "pretokenizers").findIndex(isFirstWordStep);
  if (first < 0) return undefined;
  const moves = stepsOf(normalizer, "normalizers").some(({ type }) => !STAYS.includes(type));
  const apart = normalizer !== null && added.some(({ normalized }) => normalized !== false);
  return first > 0 || moves || apart || crosses(added)
    ? "its Metaspace prepends to the first word alone, and other steps come before"
    : undefined;
}

/** Whether the library is left to look for all added tokens at once: only so does it know where the first word is. */
export function splitsFirstWord({ pre_tokenizer }: JsonObject): boolean {
  return stepsOf(pre_tokenizer, "pretokenizers").some(isFirstWordStep);
}

const isFirstWordStep = ({ type, prepend_scheme }: JsonObject): boolean =>
  type === "Metaspace" && prepend_scheme === "first";

/** Normalizers that leave the first character where it is. */
const STAYS: readonly unknown[] = ["NFC", "NFD", "NFKC", "NFKD", "Lowercase"];

/** Characters of the ones times those of the others: beyond this they are not compared. */
const MOST_COMPARED = 1e7;

/** Whether an added token that is normalized can lie across one that is not, so that it matters which is sought first. */
function crosses(added: readonly JsonObject[]): boolean {
  const texts = (normalized: boolean) =>
    added.flatMap((token) =>
      (token.normalized !== false) === normalized && typeof token.content === "string" ? [token.content] : [],
    );
  const meets = (a: string, b: string): boolean =>
    a.includes(b) || [...a].some((_, at) => at > 0 && b.startsWith(a.slice(at)));
  const [normalized, others] = [texts(true), texts(false)];
  if (normalized.join("").length * others.join("").length > MOST_COMPARED) return true;
  return normalized.some((a) => others.some((b) => meets(a, b) || meets(b, a)));
}

/** Tokens and their ids: a map, or for Unigram a list of tokens with scores. */
function vocabularyOf(model: unknown): ReadonlyMap<string, unknown> {
  const vocab = isObject(model) ? model.vocab : undefined;
  if (Array.isArray(vocab)) return new Map(vocab.map((entry, id) => [String(listed(entry)[0]), id]));
  return new Map(isObject(vocab) ? Object.entries(vocab) : []);
}

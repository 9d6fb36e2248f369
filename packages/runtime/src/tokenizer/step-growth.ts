/**
 * How much longer the steps of a stranger's tokenizer.json can make a text. A step that makes two characters of one makes 2^n of
 * them in a row of n, so a bound is computed before any of them runs, of what each can do at most.
 */

import { isObject, type JsonObject, listed, stepsOf } from "./json-object.ts";

/** Characters that the steps in a row may make of one. Compatibility normalization alone makes 18 of U+FDFA. */
export const MOST_GROWTH = 64;
/** Characters that are put before a text, in all; published tokenizers prepend one. */
const LONGEST_PREPENDED = 256;
/** Tokens that are put around a text, in all; published tokenizers add up to four. */
const MOST_AROUND = 64;

/** Why the steps before and behind the model are not run, or undefined. The decoder's are read by `token-spelling.ts`. */
export function growthFault({ normalizer, pre_tokenizer, post_processor }: JsonObject): string | undefined {
  return (
    normalizerFault(stepsOf(normalizer, "normalizers")) ??
    preTokenizerFault(stepsOf(pre_tokenizer, "pretokenizers")) ??
    postProcessorFault(stepsOf(post_processor, "processors"))
  );
}

/** Characters that replacing `pattern` by `content` makes of one, at most; at least 1. */
export function growthOfReplace(pattern: string, content: string): number {
  return Math.max(1, content.length / Math.max(1, pattern.length));
}

/** UTF-16 units that a form makes of one, at most: https://unicode.org/faq/normalization.html. A form of a form is one form. */
const FORMS: ReadonlyMap<unknown, number> = new Map([
  ["NFC", 3],
  ["NFD", 4],
  ["NFKC", 18],
  ["NFKD", 18],
]);

function normalizerFault(steps: readonly JsonObject[]): string | undefined {
  let growth = 1;
  let prepended = 0;
  // Since the last Replace, which alone brings back what they would make more of.
  let form = 1;
  let lowercase = 1;
  for (const { type, pattern, content, prepend } of steps) {
    form = Math.max(form, FORMS.get(type) ?? 1);
    // U+0130 becomes two characters.
    if (type === "Lowercase") lowercase = 2;
    if (type === "Prepend" && typeof prepend === "string") prepended += prepend.length;
    if (type !== "Replace" || typeof content !== "string") continue;
    growth *= form * lowercase * growthOfReplace(textOf(pattern), content);
    form = 1;
    lowercase = 1;
  }
  growth *= form * lowercase;
  if (prepended > LONGEST_PREPENDED)
    return `its normalizer prepends ${prepended} characters; ${LONGEST_PREPENDED} are allowed`;
  return growth > MOST_GROWTH
    ? `its normalizer can make ${Math.ceil(growth)} characters of one; ${MOST_GROWTH} are allowed`
    : undefined;
}

/** What a pattern matches at least: a String itself, a Regex one character, as no other is run. */
const textOf = (pattern: unknown): string =>
  isObject(pattern) && typeof pattern.Regex !== "string" && typeof pattern.String === "string" ? pattern.String : "";

function preTokenizerFault(steps: readonly JsonObject[]): string | undefined {
  // Each ByteLevel spells the bytes of what the one before it spelt; each Metaspace begins every piece with a character.
  for (const type of ["ByteLevel", "Metaspace"]) {
    const count = steps.filter((step) => step.type === type).length;
    if (count > 1) return `its pre-tokenizer has ${count} ${type} steps; one is allowed`;
  }
  const long = steps.find(
    ({ type, replacement }) => type === "Metaspace" && typeof replacement === "string" && !/^.$/su.test(replacement),
  );
  return long && "its Metaspace writes a space as other than one character";
}

function postProcessorFault(steps: readonly JsonObject[]): string | undefined {
  const items = steps.flatMap(({ type, single }) =>
    type === "TemplateProcessing" ? listed(single).filter(isObject) : [],
  );
  const texts = items.filter(({ Sequence }) => isObject(Sequence) && Sequence.id === "A").length;
  if (texts > 1) return `its post-processor's templates hold the text ${texts} times; once is allowed`;
  const pairs = steps.filter(({ type }) => type === "BertProcessing" || type === "RobertaProcessing").length;
  const around = items.length - texts + 2 * pairs;
  return around > MOST_AROUND ? `its post-processor adds ${around} tokens; ${MOST_AROUND} are allowed` : undefined;
}

/**
 * A vocabulary for a model that has learnt none. A model that is routed by its text cannot do without: its fresh checkpoint
 * holds this one, until a tokenizer is trained.
 */

const LETTERS = Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i));
const PRINTABLE = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i));

/**
 * `size` tokens, as a map from token to id: `▁` for what has no token, `<eos>`, line feed and printable ASCII, then `aa`, `ab` …
 * `zz`, `aaa` and so on.
 */
export function madeVocabulary(size: number): Readonly<Record<string, number>> {
  const tokens = ["▁", "<eos>", "\n", ...PRINTABLE];
  for (let words = LETTERS; tokens.length < size; ) {
    words = words.flatMap((word) => LETTERS.map((letter) => word + letter));
    // One by one: what is spread as arguments has a limit.
    for (const word of words) tokens.push(word);
  }
  return Object.fromEntries(tokens.slice(0, size).map((token, id) => [token, id]));
}

/** The vocabulary that is sealed: one given by hand (`pack --vocab`) beside the checkpoint's, and whether it is the model's. */
import { parseJson, parseVocabularyMap, type WeightSource } from "@s7l/format";
import { CliError } from "./errors.ts";
import { formatCount } from "./quantity.ts";

/**
 * Seals `vocab` (a JSON map from token to id) where the checkpoint has no tokenizer. Where it has one, that one says more and is
 * sealed; the map must then agree with it on every token. Throws CliError `foreign` or `refused`.
 */
export function withVocabulary(weights: WeightSource, vocab: Uint8Array, path: string): WeightSource {
  const map = parseVocabularyMap(vocab, (what) => refuse(path, what));
  const { tokenizer } = weights.vocabulary;
  if (!tokenizer) return { ...weights, vocabulary: { ...weights.vocabulary, vocab } };
  const sealed = tokensOf(tokenizer);
  for (const [token, id] of map) {
    const other = sealed.get(token);
    if (other === id) continue;
    const said = other === undefined ? "does not have it" : `gives it ${other}`;
    throw new CliError(
      "refused",
      `${path} gives the token ${JSON.stringify(token)} the id ${id}, but the checkpoint's tokenizer.json ${said}; leave --vocab out to seal the tokenizer`,
      path,
    );
  }
  return weights;
}

/**
 * That a vocabulary has ids which the model has no logits for, as a sentence. Embeddings padded beyond the vocabulary are common and
 * harmless; a few added tokens beyond the embedding occur, in texts that never reach the model; many ids are another model's.
 */
export function beyondLogits({ fold, vocabulary }: WeightSource): string | undefined {
  const { tokenizer, vocab } = vocabulary;
  const file = tokenizer ? "tokenizer.json" : "vocab.json";
  const tokens = tokenizer ? tokensOf(tokenizer) : vocab && parseVocabularyMap(vocab, (what) => refuse(file, what));
  const beyond = new Map([...(tokens ?? [])].filter(([, id]) => typeof id === "number" && id >= fold.vocab));
  const [first] = beyond.keys();
  if (first === undefined) return undefined;
  const count = `${formatCount(beyond.size)} of its ${formatCount(tokens?.size ?? 0)} tokens`;
  return `${file} gives ${count}, such as ${JSON.stringify(first)}, ids beyond the model's ${formatCount(fold.vocab)} logits: no text that needs one can be run`;
}

/** Ids of a tokenizer.json: its model's vocabulary (a map, or for Unigram a list) and the tokens added to it. */
function tokensOf(bytes: Uint8Array): ReadonlyMap<string, unknown> {
  const json = jsonOf(bytes, "tokenizer.json");
  const root = isRecord(json) ? json : {};
  const vocab = isRecord(root.model) ? root.model.vocab : undefined;
  const listed = Array.isArray(vocab)
    ? vocab.map((entry: unknown, id) => [Array.isArray(entry) ? entry[0] : entry, id] as const)
    : [];
  const added = Array.isArray(root.added_tokens) ? root.added_tokens.filter(isRecord) : [];
  return new Map<string, unknown>([
    ...(isRecord(vocab) ? Object.entries(vocab) : []),
    ...listed.map(([token, id]) => [String(token), id] as const),
    ...added.map(({ content, id }) => [String(content), id] as const),
  ]);
}

const jsonOf = (bytes: Uint8Array, path: string): unknown => parseJson(bytes, (what) => refuse(path, what)).value;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function refuse(path: string, what: string): never {
  throw new CliError("foreign", `${path} is not a JSON map from tokens to ids: it ${what}`, path);
}

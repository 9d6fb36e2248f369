/** `pack --vocab`: a vocabulary given by hand, beside the one that the checkpoint may have. */
import { parseJson, parseVocabularyMap, type WeightSource } from "@s7l/format";
import { CliError } from "./errors.ts";

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

/** vocab.json: a vocabulary alone, a JSON map from token to id. Of its bytes verify, pack and runtime read the same. */
import { parseJson } from "./json.ts";

/** Bytes of a vocab.json, some 150,000 tokens: larger vocabularies have a tokenizer.json. To parse one may take 30 times its bytes. */
export const MAX_VOCABULARY_MAP = 1 << 21;

/**
 * The ids of the tokens in a vocab.json (UTF-8). No token may stand in it twice, as one reader would take the first id and another the
 * last, and no id. What is wrong is said to `refuse`, which goes on from the file's name and throws.
 */
export function parseVocabularyMap(
  bytes: Uint8Array,
  refuse: (what: string, cause?: unknown) => never,
): ReadonlyMap<string, number> {
  if (bytes.length > MAX_VOCABULARY_MAP)
    return refuse(`has ${bytes.length} bytes, where ${MAX_VOCABULARY_MAP} are the most`);
  const { value } = parseJson(bytes, refuse, 1);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return refuse("is no map");
  const ids = new Map<string, number>();
  const taken = new Set<number>();
  for (const [token, id] of Object.entries(value)) {
    if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0)
      return refuse(`gives the token ${JSON.stringify(token)} no id`);
    if (taken.has(id)) return refuse(`gives id ${id} to two tokens, one ${JSON.stringify(token)}`);
    ids.set(token, id);
    taken.add(id);
  }
  // JSON.parse keeps the last of equal keys and says nothing.
  if (stringsIn(bytes) !== ids.size) return refuse("gives one token twice");
  return ids;
}

/** Strings in a valid JSON text: outside of them there is no quote and no backslash. */
function stringsIn(json: Uint8Array): number {
  let quotes = 0;
  for (let i = 0; i < json.length; i++) {
    if (json[i] === 0x5c) i++;
    else if (json[i] === 0x22) quotes++;
  }
  return quotes / 2;
}

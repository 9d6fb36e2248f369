/**
 * A vocabulary alone (vocab.json, a map from token to id), as in the public original of S7: a text is cut greedily into the
 * longest tokens, one character at a time where none fits, which becomes "▁", else id 0. It knows no merges, so a text may get
 * other ids than a BPE model was trained on: seal the tokenizer.json where there is one.
 *
 * Tokens are plain text, unless the vocabulary spells all 256 bytes in the alphabet of byte-level BPE; then they are bytes.
 */
import { parseVocabularyMap, type Vocabulary } from "@s7l/format";
import { RuntimeError } from "../errors.ts";
import { readByteSpelling, spellBytes, usesByteAlphabet } from "./byte-alphabet.ts";
import { createPrefixSearch } from "./prefix-search.ts";
import type { TokenTable } from "./tokenizer.ts";

/** Opens a vocab.json, UTF-8; the ids of `bos` and `eos` are its special tokens. Throws RuntimeError `tokenizer`. */
export function openVocabularyMap(file: Uint8Array, { bos, eos }: Pick<Vocabulary, "bos" | "eos">): TokenTable {
  const ids = parseVocabularyMap(file, (what, cause) => {
    throw new RuntimeError("tokenizer", `the sealed vocab.json ${what}`, "VOCAB", { cause });
  });
  const tokens = new Map([...ids].map(([token, id]) => [id, token]));
  const inBytes = usesByteAlphabet((token) => ids.has(token));
  const encoder = new TextEncoder();
  const special = new Map<number, string>();
  for (const id of bos === undefined ? eos : [...eos, bos]) special.set(id, tokens.get(id) ?? "");
  const cut = greedyCutter(ids);
  return {
    encode: (text) => cut(inBytes ? spellBytes(encoder.encode(text)) : text),
    bytes: (id) => {
      const token = tokens.get(id);
      if (token === undefined) return undefined;
      return (inBytes ? readByteSpelling(token) : undefined) ?? encoder.encode(token);
    },
    special,
    leadingSpaces: 0,
  };
}

/** Cuts a text into the longest tokens, in no more steps than its length times the longest token's. */
function greedyCutter(ids: ReadonlyMap<string, number>): (text: string) => number[] {
  const unknown = ids.get("▁") ?? 0;
  const search = createPrefixSearch([...ids.keys()].filter((token) => token !== ""));
  return (text) => {
    const found: number[] = [];
    for (let at = 0; at < text.length; ) {
      let longest: string | undefined;
      search(
        (depth) => text.charCodeAt(at + depth),
        (token) => {
          longest = token;
          return false;
        },
      );
      found.push(longest === undefined ? unknown : (ids.get(longest) ?? unknown));
      at += (longest ?? String.fromCodePoint(text.codePointAt(at) ?? 0)).length;
    }
    return found;
  };
}

/**
 * The sealed vocabulary at work: text to ids and ids to text. Encoding is Hugging Face's own reading of tokenizer.json;
 * decoding goes through the bytes of each token, so that a stream never shows half a character.
 */
import type { Vocabulary } from "@s7l/format";
import { RuntimeError } from "../errors.ts";
import { openTokenizerJson } from "./tokenizer-json.ts";
import { openVocabularyMap } from "./vocabulary-map.ts";

/** What a tokenizer file says of tokens; ids are those of the fold's vocabulary. */
export interface TokenTable {
  /** `template`: with what the tokenizer's own template adds, such as a beginning-of-sequence token. */
  readonly encode: (text: string, template: boolean) => readonly (number | undefined)[];
  /** The bytes that a token adds to a text; undefined for an id without a token. */
  readonly bytes: (id: number) => Uint8Array | undefined;
  /** What a special token is called, for those that are: they add nothing to a text. */
  readonly special: ReadonlyMap<number, string>;
  /** Spaces that are dropped where a text begins with them (SentencePiece writes one before the first word). */
  readonly leadingSpaces: number;
}

export interface DecodeOptions {
  /** Shows special tokens by their names. Default: leaves them out. */
  readonly special?: boolean;
}

/** Text of a sequence that still grows. Characters come when their last byte has. */
export interface TextStream {
  /** The text that one more token completes, possibly none. */
  readonly push: (id: number) => string;
  /** What is left at the end: a character that was never finished, as U+FFFD. */
  readonly end: () => string;
}

export interface Tokenizer {
  /**
   * Ids of a text. `template` (default true): with what the tokenizer's template adds. Names of special tokens in the text
   * become those tokens, as Hugging Face has it. Throws RuntimeError `tokenizer` where the text has no ids.
   */
  readonly encode: (text: string, options?: { readonly template?: boolean }) => number[];
  /** Text of ids. Bytes that are not UTF-8 become U+FFFD. */
  readonly decode: (ids: readonly number[], options?: DecodeOptions) => string;
  /** Starts a text that grows by tokens. */
  readonly stream: (options?: DecodeOptions) => TextStream;
  /** The bytes that a token adds to the text; none for special tokens and for ids without a token. */
  readonly bytes: (id: number) => Uint8Array;
  readonly isSpecial: (id: number) => boolean;
}

/**
 * Opens the sealed tokenizer.json, else the sealed vocab.json; undefined where there is neither. `vocab` is the fold's. Throws
 * RuntimeError `tokenizer` for a file that cannot be read.
 */
export function openTokenizer(vocabulary: Vocabulary, vocab: number): Tokenizer | undefined {
  if (vocabulary.tokenizer) return tokenizerOf(openTokenizerJson(vocabulary.tokenizer), vocab);
  if (vocabulary.vocab) return tokenizerOf(openVocabularyMap(vocabulary.vocab, vocabulary), vocab);
  return undefined;
}

/** The tokenizer of a model, or RuntimeError `no-text`. */
export function requireTokenizer({ tokenizer }: { readonly tokenizer: Tokenizer | undefined }): Tokenizer {
  if (tokenizer) return tokenizer;
  throw new RuntimeError("no-text", "the artifact seals neither tokenizer nor vocabulary: give token ids, not text");
}

function tokenizerOf(table: TokenTable, vocab: number): Tokenizer {
  const cache: (Uint8Array | undefined)[] = [];
  const nothing = new Uint8Array();
  const bytes = (id: number): Uint8Array => {
    if (table.special.has(id)) return nothing;
    cache[id] ??= table.bytes(id) ?? nothing;
    return cache[id];
  };
  const stream = ({ special = false }: DecodeOptions = {}): TextStream => {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    let spaces = table.leadingSpaces;
    return {
      push: (id) => {
        const name = special ? table.special.get(id) : undefined;
        let piece = name === undefined ? bytes(id) : new TextEncoder().encode(name);
        while (spaces > 0 && piece[0] === 0x20) {
          piece = piece.subarray(1);
          spaces--;
        }
        if (piece.length > 0) spaces = 0;
        return decoder.decode(piece, { stream: true });
      },
      end: () => decoder.decode(),
    };
  };
  return {
    encode: (text, { template = true } = {}) => table.encode(text, template).map((id) => knownId(id, vocab)),
    decode: (ids, options) => {
      const text = stream(options);
      return ids.map(text.push).join("") + text.end();
    },
    stream,
    bytes,
    isSpecial: (id) => table.special.has(id),
  };
}

function knownId(id: number | undefined, vocab: number): number {
  if (id !== undefined && Number.isInteger(id) && id >= 0 && id < vocab) return id;
  throw new RuntimeError(
    "tokenizer",
    id === undefined
      ? "the text has a part for which the tokenizer has neither token nor unknown-token"
      : `the tokenizer gives id ${id}, which the model's ${vocab} logits do not have`,
    "VOCAB",
  );
}

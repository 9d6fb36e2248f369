/**
 * How a tokenizer.json spells bytes: its decoder, read as a map from one token to the bytes that it adds to a text. Decoders
 * act on lists of tokens, but those of generative models act on each token alone, but for a space at the very start; one
 * that does not is refused. The same map serves decoding, streaming and the lexical router.
 */

import { RuntimeError } from "../errors.ts";
import { readByteSpelling } from "./byte-alphabet.ts";
import { growthOfReplace, MOST_GROWTH } from "./step-growth.ts";

export interface Spelling {
  /** The bytes that a token of the model's vocabulary adds. Throws RuntimeError `tokenizer` for one that is no token's length. */
  readonly bytes: (token: string) => Uint8Array;
  /** Spaces that are dropped where a text begins with them. */
  readonly leadingSpaces: number;
}

/** Characters that a token's text may come to; those of published tokenizers have some hundreds. */
const LONGEST_TEXT = 1 << 16;

/** One step on one token: text until it has become bytes. */
type Step = (piece: string | Uint8Array) => string | Uint8Array;

interface Decoder {
  readonly type?: unknown;
  readonly decoders?: unknown;
  readonly pattern?: unknown;
  readonly content?: unknown;
  readonly replacement?: unknown;
  readonly prepend_scheme?: unknown;
  readonly add_prefix_space?: unknown;
  readonly start?: unknown;
  readonly stop?: unknown;
}

/** Reads the `decoder` of a tokenizer.json. Throws RuntimeError `tokenizer` for one whose tokens depend on their neighbours, or grow much. */
export function readSpelling(decoder: unknown): Spelling {
  const steps: Step[] = [];
  let leadingSpaces = 0;
  let fused = false;
  let growth = 1;
  const read = (it: Decoder): void => {
    switch (it.type) {
      case "Sequence":
        for (const inner of list(it.decoders)) read(inner);
        return;
      case "ByteLevel":
        if (fused) break;
        steps.push((piece) => (typeof piece === "string" ? (readByteSpelling(piece) ?? piece) : piece));
        return;
      case "ByteFallback":
        if (fused) break;
        steps.push((piece) => (typeof piece === "string" ? (fallbackByte(piece) ?? piece) : piece));
        return;
      case "Replace": {
        const pattern = textPattern(it.pattern);
        const content = it.content;
        if (fused || pattern === undefined || typeof content !== "string") break;
        growth *= growthOfReplace(pattern, content);
        if (growth > MOST_GROWTH)
          throw new RuntimeError(
            "tokenizer",
            `the tokenizer's decoder can make ${Math.ceil(growth)} characters of one; ${MOST_GROWTH} are allowed`,
            "VOCAB",
          );
        steps.push(replace(pattern, content));
        return;
      }
      case "Metaspace": {
        const replacement = it.replacement ?? "▁";
        if (fused || typeof replacement !== "string" || replacement === "") break;
        steps.push(replace(replacement, " "));
        if (it.prepend_scheme !== "never" && it.add_prefix_space !== false) leadingSpaces = 1;
        return;
      }
      case "Fuse":
        fused = true;
        return;
      case "Strip":
        if (!fused || it.content !== " " || !isCount(it.start) || it.stop !== 0) break;
        leadingSpaces = it.start;
        return;
    }
    throw new RuntimeError("tokenizer", `the tokenizer's decoder "${it.type}" is not one that this release reads`);
  };
  read(record(decoder));
  const encoder = new TextEncoder();
  return {
    leadingSpaces,
    bytes: (token) => {
      if (token.length * growth > LONGEST_TEXT)
        throw new RuntimeError(
          "tokenizer",
          `a token of ${token.length} characters can come to more than ${LONGEST_TEXT} of text`,
          "VOCAB",
        );
      const piece = steps.reduce<string | Uint8Array>((so, step) => step(so), token);
      return typeof piece === "string" ? encoder.encode(piece) : piece;
    },
  };
}

const replace =
  (pattern: string, content: string): Step =>
  (piece) =>
    typeof piece === "string" ? piece.replaceAll(pattern, () => content) : piece;

/** `<0xE2>` is the byte e2. */
function fallbackByte(token: string): Uint8Array | undefined {
  const [, hex] = /^<0x([0-9a-fA-F]{2})>$/.exec(token) ?? [];
  return hex === undefined ? undefined : Uint8Array.of(Number.parseInt(hex, 16));
}

const isCount = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;

function record(value: unknown): Decoder {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new RuntimeError("tokenizer", "the sealed tokenizer has no decoder, so its ids have no text");
}

function list(value: unknown): readonly Decoder[] {
  return Array.isArray(value) ? value.map(record) : [record(value)];
}

function textPattern(pattern: unknown): string | undefined {
  if (typeof pattern !== "object" || pattern === null || !("String" in pattern)) return undefined;
  return typeof pattern.String === "string" && pattern.String !== "" ? pattern.String : undefined;
}

/** What the reference makes of tokenizers and of their steps; made with it by `goldens/tokenizer-vectors.py`. */
import { join } from "node:path";
import { openTokenizer, type Tokenizer } from "../src/tokenizer/tokenizer.ts";
import { readJson } from "./reference.ts";

export type Json = Readonly<Record<string, unknown>>;

export const { stepTexts, steps, tokenizerTexts, tokenizers } = readJson<{
  readonly stepTexts: readonly string[];
  readonly steps: readonly { readonly kind: string; readonly part: unknown; readonly pieces: readonly string[][] }[];
  readonly tokenizerTexts: readonly string[];
  readonly tokenizers: readonly { readonly tokenizer: Json; readonly ids: readonly (readonly number[])[] }[];
}>(join(import.meta.dirname, "goldens", "tokenizer-vectors.json"));

/** Opens a tokenizer.json of these contents. */
export const openJson = (tokenizer: Json): Tokenizer | undefined =>
  openTokenizer({ tokenizer: new TextEncoder().encode(JSON.stringify(tokenizer)), eos: [] }, 1 << 16);

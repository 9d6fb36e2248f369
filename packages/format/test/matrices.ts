/** Weights of the smallest fold there can be, for tests of what only carries weights about. */
import { FOLD_NAME, type Fold } from "../src/fold/fold.ts";
import type { PlannedTensor } from "../src/fold/tensor-plan.ts";
import { sha256 } from "../src/hash.ts";
import { spanLayout } from "../src/span.ts";
import type { WeightSource } from "../src/weights.ts";

/** An embedding of `vocab` rows of `width`, narrowed to two, and a head. */
export const foldOf = (vocab: number, width: number): Fold => ({
  fold: FOLD_NAME,
  version: 1,
  vocab,
  context: 5,
  width,
  embedding: "embedding",
  stages: [{ kind: "project", linear: { tensor: "narrow" }, width: 2 }],
  head: { kind: "linear", linear: { tensor: "head", bias: "head.bias" } },
});

/** Bytes that differ from place to place, and from tensor to tensor. */
export function spanOf(tensor: PlannedTensor): Uint8Array {
  const salt = tensor.name.length;
  return Uint8Array.from({ length: spanLayout(tensor).size }, (_, i) => (i * 31 + (i >> 8) + salt) & 127);
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Everything that weights can have, but no vocabulary. */
export function matricesOf(vocab = 7, width = 3, piece = 100): WeightSource {
  return {
    fold: foldOf(vocab, width),
    lexical: { windowBytes: 64, domains: [], fallback: { name: "general", expert: 0 } },
    vocabulary: { tokenizer: utf8('{"model":{}}'), chatTemplate: "{{ x }}", bos: 1, eos: [2, 3] },
    meta: { name: "matrices", notes: ["one", "two"] },
    origin: ({ name }) => ({ method: "per_row_int8", sources: [`${name}.weight`, `${name}.more`] }),
    span: async function* (tensor) {
      const span = spanOf(tensor);
      for (let at = 0; at < span.length; at += piece) yield span.slice(at, at + piece);
    },
    sourceDigest: ({ name }) => sha256(utf8(name)),
  };
}

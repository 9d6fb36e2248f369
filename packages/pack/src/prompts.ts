/**
 * The golden prompts of an artifact whose caller gives none: ids drawn from a hash of the fold, so the same model has the
 * same prompts everywhere. Arbitrary ids exercise every mechanism; that they mean nothing is no matter.
 */
import { encodeCanonical, type Fold, sha256 } from "@s7l/format";

const COUNT = 4;
const LENGTH = 16;

/** Four prompts of at most 16 ids below `fold.vocab`. */
export function defaultPrompts(fold: Fold): readonly (readonly number[])[] {
  const seed = sha256(encodeCanonical(fold));
  const length = Math.min(LENGTH, fold.context);
  return Array.from({ length: COUNT }, (_, prompt) =>
    Array.from({ length }, (_, position) => {
      const draw = sha256(seed, Uint8Array.of(prompt, position));
      return new DataView(draw.buffer).getUint32(0, true) % fold.vocab;
    }),
  );
}

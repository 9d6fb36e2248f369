/** Looks for NaN and infinities by the bits alone: all ones in the exponent. */
import { readInto } from "@s7l/format";
import type { StoredTensor } from "./safetensors.ts";

/** Where a value is not finite. */
export interface BadValue {
  readonly index: readonly number[];
  readonly value: "NaN" | "Infinity" | "-Infinity";
}

interface Exponent {
  readonly bytes: 2 | 4;
  /** Ones in the exponent, and ones in exponent and fraction, of the most significant 16 or 32 bits. */
  readonly exponent: number;
  readonly fraction: number;
}

const EXPONENTS: Readonly<Record<string, Exponent>> = {
  F32: { bytes: 4, exponent: 0x7f800000, fraction: 0x007fffff },
  F16: { bytes: 2, exponent: 0x7c00, fraction: 0x03ff },
  BF16: { bytes: 2, exponent: 0x7f80, fraction: 0x007f },
};

/** Bytes read at once. */
const PIECE = 1 << 22;

/** The first value of a tensor that is not finite; undefined where all are, or where the dtype has no such values. */
export async function firstNotFinite(tensor: StoredTensor): Promise<BadValue | undefined> {
  const format = EXPONENTS[tensor.dtype];
  if (!format) return undefined;
  const { bytes, exponent, fraction } = format;
  const buffer = new ArrayBuffer(Math.min(PIECE, tensor.length));
  for (let at = 0; at < tensor.length; at += PIECE) {
    const length = Math.min(PIECE, tensor.length - at);
    await readInto(tensor.source, tensor.offset + at, new Uint8Array(buffer, 0, length));
    const words = bytes === 4 ? new Uint32Array(buffer, 0, length / 4) : new Uint16Array(buffer, 0, length / 2);
    const found = indexOfAllOnes(words, exponent);
    if (found < 0) continue;
    const word = words[found] ?? 0;
    const negative = word >= 2 ** (8 * bytes - 1);
    const value = (word & fraction) !== 0 ? "NaN" : negative ? "-Infinity" : "Infinity";
    return { index: indexIn(tensor.shape, at / bytes + found), value };
  }
  return undefined;
}

function indexOfAllOnes(words: Uint32Array | Uint16Array, mask: number): number {
  for (let i = 0; i < words.length; i++) if (((words[i] ?? 0) & mask) === mask) return i;
  return -1;
}

/** The index of an element by its number, outermost dimension first. */
function indexIn(shape: readonly number[], element: number): readonly number[] {
  let rest = element;
  return shape
    .toReversed()
    .map((size) => {
      const index = rest % size;
      rest = (rest - index) / size;
      return index;
    })
    .toReversed();
}

/** Rotary positions: the angle is an exact 64-bit fraction of a turn, pos · frequency mod 1. */
import type { Rope } from "@s7l/format";
import { type Block, blockBits, normalise } from "./block.ts";
import { sineCosine } from "./elementary.ts";
import { f32Parts } from "./f32.ts";
import { mulShift, roundShift } from "./integer.ts";

export interface Rotation {
  readonly sine: Int32Array;
  readonly cosine: Int32Array;
}

export interface RopeTable {
  readonly rope: Rope;
  /** Turns a position, in units of 2^-64. */
  readonly frequencies: BigUint64Array;
}

/** Sine and cosine of each pair at a position, times the magnitude, in Q24 (at most 2^26: magnitudes are below 4). */
export function rotationAt(table: RopeTable, position: number): Rotation {
  const pairs = table.frequencies.length;
  const { significand, exponent } = f32Parts(table.rope.magnitude);
  const sine = new Int32Array(pairs);
  const cosine = new Int32Array(pairs);
  table.frequencies.forEach((frequency, i) => {
    const at = sineCosine(BigInt.asUintN(64, BigInt(position) * frequency));
    sine[i] = mulShift(at.sine, significand, -exponent);
    cosine[i] = mulShift(at.cosine, significand, -exponent);
  });
  return { sine, cosine };
}

/** Rotates one head. Mantissas are brought to 24 bits first, so that every product fits in 53. */
export function rotate(rope: Rope, { sine, cosine }: Rotation, head: Block): Block {
  const x = blockBits(head) > 24 ? normalise(head, 24) : head;
  const half = rope.dims / 2;
  const mantissas = x.mantissas.slice();
  for (let i = 0; i < half; i++) {
    const first = rope.offset + (rope.pairs === "half" ? i : 2 * i);
    const second = rope.offset + (rope.pairs === "half" ? i + half : 2 * i + 1);
    const a = x.mantissas[first] ?? 0;
    const b = x.mantissas[second] ?? 0;
    const c = cosine[i] ?? 0;
    const s = sine[i] ?? 0;
    mantissas[first] = roundShift(a * c - b * s, 24);
    mantissas[second] = roundShift(b * c + a * s, 24);
  }
  return { mantissas, exponent: x.exponent };
}

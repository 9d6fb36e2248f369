/**
 * Block floating point: the one form of every vector between two matrices.
 *
 * A block is int32 mantissas that share a power-of-two exponent, per token: value[i] = mantissa[i] · 2^exponent, with
 * |mantissa| <= 2^30. Nothing is calibrated and nothing saturates: an operation chooses its result's exponent from the
 * blocks themselves. Before a matrix a block is rounded to 14 bits, an `Activation`.
 */
import { f32Parts } from "./f32.ts";
import { bitLength, mulShift, roundShift, shift } from "./integer.ts";

export interface Block {
  readonly mantissas: Int32Array;
  readonly exponent: number;
}

/** What a matrix multiplies: value[i] = q[i] · 2^exponent, -8192 <= q <= 8191. */
export interface Activation {
  readonly q: Int16Array;
  readonly exponent: number;
  /** Σ |q|: bounds every product with an int8 row. */
  readonly l1: number;
}

/** Bits of the largest mantissa; 0 for a zero block. */
export function blockBits(block: Block): number {
  let max = 0;
  for (const m of block.mantissas) max = Math.max(max, Math.abs(m));
  return bitLength(max);
}

/** The same values with the largest mantissa of exactly `bits` bits (or one more, by rounding); a zero block stays as it is. */
export function normalise(block: Block, bits: number): Block {
  const size = blockBits(block);
  return size === 0 ? block : align(block, block.exponent + size - bits);
}

/** The same values at another exponent. */
export function align(block: Block, exponent: number): Block {
  const k = block.exponent - exponent;
  return k === 0 ? block : { mantissas: block.mantissas.map((m) => shift(m, k)), exponent };
}

/** The exponent at which all of these blocks fit in 29 bits, the largest exactly; 0 where all are zero. */
function commonExponent(blocks: readonly Block[]): number {
  let top = Number.NEGATIVE_INFINITY;
  for (const block of blocks) {
    const bits = blockBits(block);
    if (bits > 0) top = Math.max(top, bits + block.exponent);
  }
  return top === Number.NEGATIVE_INFINITY ? 0 : top - 29;
}

/** a + b. */
export function add(a: Block, b: Block): Block {
  const exponent = commonExponent([a, b]);
  const left = align(a, exponent).mantissas;
  const right = align(b, exponent).mantissas;
  return { mantissas: left.map((m, i) => m + (right[i] ?? 0)), exponent };
}

/** Blocks side by side, at one exponent. */
export function concat(blocks: readonly Block[]): Block {
  const exponent = commonExponent(blocks);
  const mantissas = new Int32Array(blocks.reduce((n, block) => n + block.mantissas.length, 0));
  let offset = 0;
  for (const block of blocks) {
    mantissas.set(align(block, exponent).mantissas, offset);
    offset += block.mantissas.length;
  }
  return { mantissas, exponent };
}

/** Elements [start, start + length), sharing memory. */
export function slice(block: Block, start: number, length: number): Block {
  return { mantissas: block.mantissas.subarray(start, start + length), exponent: block.exponent };
}

/** x · factor / 2^30 · 2^exponent, with |factor| <= 2^30. */
export function scale(block: Block, factor: number, exponent = 0): Block {
  return { mantissas: block.mantissas.map((m) => mulShift(m, factor, 30)), exponent: block.exponent + exponent };
}

/** Element by element, each side with 26 bits. */
export function multiply(a: Block, b: Block): Block {
  const left = normalise(a, 26);
  const right = normalise(b, 26);
  return {
    mantissas: left.mantissas.map((m, i) => roundShift(m * (right.mantissas[i] ?? 0), 26)),
    exponent: left.exponent + right.exponent + 26,
  };
}

/** A sealed f32 vector, given as its bits: significands aligned to the largest exponent, 24 bits. */
export function blockFromF32(bits: Uint32Array): Block {
  const parts = Array.from(bits, f32Parts);
  const largest = parts.reduce(
    (max, p) => (p.significand === 0 ? max : Math.max(max, p.exponent)),
    Number.NEGATIVE_INFINITY,
  );
  const exponent = largest === Number.NEGATIVE_INFINITY ? 0 : largest;
  return { mantissas: Int32Array.from(parts, (p) => shift(p.significand, p.exponent - exponent)), exponent };
}

/** Rounds a block to `bits` bits: -2^(bits-1) <= q < 2^(bits-1), where what rounds up to 2^(bits-1) becomes one less. */
export function quantise(block: Block, bits = 14): Activation {
  const s = Math.max(0, blockBits(block) - (bits - 1));
  const max = (1 << (bits - 1)) - 1;
  const q = Int16Array.from(block.mantissas, (m) => Math.min(max, roundShift(m, s)));
  let l1 = 0;
  for (const value of q) l1 += Math.abs(value);
  return { q, exponent: block.exponent + s, l1 };
}

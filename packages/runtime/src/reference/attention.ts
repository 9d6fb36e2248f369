/**
 * Attention over an integer cache.
 *
 * Values are kept as int8 with one scale a head and token, keys as 12-bit integers with a power-of-two scale: the softmax
 * turns an error of a key into a factor, and int8 keys alone cost more than all int8 weights of a small model
 * (docs/numerics.md). Scores are base-2 logarithms in Q16; the softmax is exact about the sums it takes. Probabilities times value scales are rounded to 14 bits in blocks of 32 cache slots, each
 * with its own exponent, so that the tail of a long context is not lost. Blocks are counted by slot: the result does not
 * depend on how a prompt was cut.
 */
import { type Activation, type Block, normalise, quantise, slice } from "./block.ts";
import { exp2, LOG2E_Q30 } from "./elementary.ts";
import { f32Parts } from "./f32.ts";
import { bitLength, mulShift, pow2, roundDiv, roundShift, shiftSaturating } from "./integer.ts";

/** Cache slots that share one exponent when probabilities are rounded. */
export const VALUE_BLOCK = 32;

/** A key of one head and token: value[i] = q[i] · 2^exponent, |q| <= 2047. */
export interface CachedKey {
  readonly q: Int16Array;
  readonly exponent: number;
}

/** A value of one head and token: value[i] = q[i] · magnitude / 127 · 2^exponent, |q| <= 127. */
export interface CachedValue {
  readonly q: Int8Array;
  /** The largest |value|, 24 bits; 0 for a zero vector. */
  readonly magnitude: number;
  readonly exponent: number;
}

/** Rounds a key to 12 bits. */
export function cacheKey(head: Block): CachedKey {
  const { q, exponent } = quantise(head, 12);
  return { q: q.map((k) => Math.max(-2047, k)), exponent };
}

/** Rounds a value to int8 by its own largest element. */
export function cacheValue(head: Block): CachedValue {
  const { mantissas, exponent } = normalise(head, 24);
  const magnitude = mantissas.reduce((max, m) => Math.max(max, Math.abs(m)), 0);
  if (magnitude === 0) return { q: new Int8Array(mantissas.length), magnitude: 0, exponent: 0 };
  const inverse = Math.floor((127 * pow2(40)) / magnitude);
  return { q: Int8Array.from(mantissas, (m) => roundShift(m * inverse, 40)), magnitude, exponent };
}

/** What one attention layer's softmax needs beside queries, keys and values; all logarithms are base 2. */
export interface ScoreTerms {
  /** softmax scale · log2(e) = significand · 2^exponent, 25 bits. */
  readonly scale: { readonly significand: number; readonly exponent: number };
  /** ALiBi slope · log2(e) of each head, Q24. */
  readonly slopes: readonly number[] | undefined;
  /** Sink · log2(e) of each head, Q16. */
  readonly sinks: readonly number[] | undefined;
}

/** f32 bits · log2(e) as a 25-bit significand and exponent. */
export function log2Factor(bits: number): { significand: number; exponent: number } {
  const { significand, exponent } = f32Parts(bits);
  return { significand: mulShift(significand, LOG2E_Q30, 30), exponent };
}

/** f32 bits · log2(e) as fixed point with `fraction` bits, limited to ±2^30. */
export function log2Fixed(bits: number, fraction: number): number {
  const { significand, exponent } = log2Factor(bits);
  return shiftSaturating(significand, exponent + fraction);
}

/** Slots [start, start + keys.length) of one head's cache, seen from the query in the last of them. */
export interface VisibleKeys {
  readonly start: number;
  readonly keys: readonly CachedKey[];
  readonly values: readonly CachedValue[];
}

/** softmax(q · k) · v for one head; the query stands in the last visible slot. */
export function attendHead(terms: ScoreTerms, head: number, query: Block, visible: VisibleKeys): Block {
  const q = quantise(query, 12);
  const last = visible.keys.length - 1;
  const slope = terms.slopes?.[head];
  const scores = visible.keys.map((key, i) => {
    const s = score(terms, q, key);
    return slope === undefined ? s : limit(s - mulShift(slope, last - i, 8));
  });
  const sink = terms.sinks?.[head];
  const max = scores.reduce((a, b) => Math.max(a, b), sink ?? Number.NEGATIVE_INFINITY);
  const probabilities = scores.map((s) => exp2(s - max)); // Q24
  const total = probabilities.reduce((a, b) => a + b, sink === undefined ? 0 : exp2(sink - max));
  return divide(weigh(probabilities, visible), total);
}

const limit = (score: number): number => Math.max(-0x4000_0000, Math.min(0x4000_0000, score));

/** log2(e) · scale · q·k in Q16, limited to ±2^30. */
function score({ scale }: ScoreTerms, q: Activation, key: CachedKey): number {
  let dot = 0; // at most 2048 · 2047 · 512 < 2^31
  for (let i = 0; i < key.q.length; i++) dot += (q.q[i] ?? 0) * (key.q[i] ?? 0);
  const k = q.exponent + key.exponent + scale.exponent + 16;
  // 31 bits by 25: bring the product back to 32 bits before a shift to the left can overflow.
  if (k > -24) return shiftSaturating(mulShift(dot, scale.significand, 24), k + 24);
  return limit(mulShift(dot, scale.significand, -k));
}

interface WeightedSum {
  /** Σ p · magnitude · q, exact after rounding to 14 bits a block. */
  readonly sums: readonly number[];
  readonly exponent: number;
}

/** Σ_j p_j v_j · 127 · 2^24, as integers with one exponent. */
function weigh(probabilities: readonly number[], { start, values }: VisibleKeys): WeightedSum {
  const largest = values.reduce(
    (max, v) => (v.magnitude === 0 ? max : Math.max(max, v.exponent)),
    Number.NEGATIVE_INFINITY,
  );
  const exponent = largest === Number.NEGATIVE_INFINITY ? 0 : largest;
  const width = values[0]?.q.length ?? 0;
  const sums = new Array<number>(width).fill(0);
  // p (24 bits) · magnitude (24 bits): at most 24 bits, aligned to the largest exponent.
  const weights = values.map((v, j) =>
    floorShift((probabilities[j] ?? 0) * v.magnitude, v.magnitude === 0 ? 0 : 24 + exponent - v.exponent),
  );
  for (let from = 0; from < values.length; ) {
    const to = Math.min(values.length, from + VALUE_BLOCK - ((start + from) % VALUE_BLOCK));
    const block = weights.slice(from, to);
    const s = Math.max(0, bitLength(Math.max(...block)) - 14);
    const partial = new Array<number>(width).fill(0); // below 32 · 2^14 · 127 = 2^26
    for (const [j, weight] of block.entries()) {
      const rounded = roundShift(weight, s);
      const v = values[from + j];
      if (v && rounded !== 0) for (let d = 0; d < width; d++) partial[d] = (partial[d] ?? 0) + rounded * (v.q[d] ?? 0);
    }
    for (let d = 0; d < width; d++) sums[d] = (sums[d] ?? 0) + (partial[d] ?? 0) * pow2(s);
    from = to;
  }
  return { sums, exponent };
}

const floorShift = (x: number, s: number): number => (s > 53 ? 0 : Math.floor(x / pow2(s)));

/** sums · 2^(exponent + 24) / (127 · total), as a block of 26 bits. */
function divide({ sums, exponent }: WeightedSum, total: number): Block {
  const size = sums.reduce((max, x) => Math.max(max, bitLength(x)), 0);
  const mantissas = new Int32Array(sums.length);
  if (size === 0) return { mantissas, exponent: 0 };
  const divisor = 127 * total;
  const down = bitLength(divisor) - 26;
  const reciprocal = Math.floor(pow2(51) / (down >= 0 ? roundShift(divisor, down) : divisor * pow2(-down)));
  sums.forEach((x, d) => {
    const t = size >= 26 ? roundShift(x, size - 26) : x * pow2(26 - size);
    mantissas[d] = mulShift(t, reciprocal, 26);
  });
  return { mantissas, exponent: exponent + 24 + (size - 26) - down - 25 };
}

/** Heads of a vector of `count` heads. */
export function splitHeads(x: Block, count: number): readonly Block[] {
  const size = x.mantissas.length / count;
  return Array.from({ length: count }, (_, h) => slice(x, h * size, size));
}

/** The tensor product of TPA: (1 / rank) Σ_r a[h, r] b[r], from 20-bit factors. */
export function tensorProduct(a: Block, b: Block, heads: number, rank: number): Block {
  const left = normalise(a, 20);
  const right = normalise(b, 20);
  const size = b.mantissas.length / rank;
  const mantissas = new Int32Array(heads * size);
  for (let h = 0; h < heads; h++) {
    for (let d = 0; d < size; d++) {
      let sum = 0;
      for (let r = 0; r < rank; r++) sum += (left.mantissas[h * rank + r] ?? 0) * (right.mantissas[r * size + d] ?? 0);
      mantissas[h * size + d] = roundDiv(sum, rank * 2048);
    }
  }
  return { mantissas, exponent: left.exponent + right.exponent + 11 };
}

/**
 * Elementary functions in fixed point. Polynomial coefficients come from `scripts/fit-elementary.ts`; the test beside this
 * file regenerates them and bounds the error of each function.
 */
import { bitLength, integerSqrt, mulShift, pow2, roundShift } from "./integer.ts";

/** 2^f = 1 + f (c0 + f (c1 + f (c2 + f c3))) on [0, 1), coefficients in Q15; error below 2^-15. */
export const EXP2_Q15: readonly number[] = [22709, 7912, 1702, 445];
/** The same with six terms in Q30; error below 2^-27. */
export const EXP2_Q30: readonly number[] = [744260928, 257944890, 59573864, 10395082, 1333037, 234020];
/** log2(e) with 30 fractional bits. */
export const LOG2E_Q30 = 1549082005;
/** sin(x π/2) = x Σ s_k x^2k and cos(x π/2) = Σ c_k x^2k: (π/2)^n / n! with alternating signs, Q25. */
export const SINE_Q25: readonly number[] = [52707179, -21674958, 2674041, -157094, 5384, -121];
export const COSINE_Q25: readonly number[] = [33554432, -41396121, 8511736, -700062, 30845, -846, 16];
/** Standard normal distribution as sigmoid(x (b0 + b1 x² + b2 x⁴ + b3 x⁶)), |x| <= 5, Q24; error below 2^-17. */
export const NORMAL_Q24: readonly number[] = [26770419, 1226268, -6507, -462];
/** 2 sqrt(2/π) and that times 0.044715 (the tanh form of GELU, as a sigmoid), Q24. */
export const GELU_TANH_Q24: readonly number[] = [26772563, 1197135];

/** 2^d for d <= 0 in Q16, as Q24. One part in 2^15; 0 below 2^-24. */
export function exp2(d: number): number {
  const n = Math.ceil(-d / 65536);
  if (n > 24) return 0;
  const f = Math.floor((d + n * 65536) / 2); // Q15
  const [c0 = 0, c1 = 0, c2 = 0, c3 = 0] = EXP2_Q15;
  let p = c3;
  p = c2 + roundShift(p * f, 15);
  p = c1 + roundShift(p * f, 15);
  p = c0 + roundShift(p * f, 15);
  const mantissa = 32768 + roundShift(p * f, 15); // 2^f in Q15
  return Math.floor((mantissa * 512) / pow2(n));
}

/** 2^d for d <= 0 in Q20, as Q30; for the few numbers that decide (routers, sampling). */
export function exp2Wide(d: number): number {
  const n = Math.ceil(-d / 0x10_0000);
  if (n > 30) return 0;
  const f = d + n * 0x10_0000; // Q20
  let p = 0;
  for (let k = EXP2_Q30.length - 1; k >= 0; k--) p = (EXP2_Q30[k] ?? 0) + roundShift(p * f, 20);
  const mantissa = pow2(30) + roundShift(p * f, 20);
  return Math.floor(mantissa / pow2(n));
}

/** 1 / (1 + e^-x) for x in Q16, as Q15; flat beyond ±64. */
export function sigmoid(x: number): number {
  const t = exp2(-mulShift(Math.min(Math.abs(x), 1 << 22), LOG2E_Q30, 30)); // Q24
  const positive = Math.floor(pow2(39) / (pow2(24) + t)); // Q15
  return x < 0 ? 32768 - positive : positive;
}

/** 1 / (1 + e^-x) for x in Q20, as Q30. */
export function sigmoidWide(x: number): number {
  const t = exp2Wide(-mulShift(Math.abs(x), LOG2E_Q30, 30));
  const positive = Number((1n << 60n) / ((1n << 30n) + BigInt(t)));
  return x < 0 ? pow2(30) - positive : positive;
}

/** Sine and cosine of 2π · turns / 2^64, in Q24. `turns` is a 64-bit fraction of a turn. */
export function sineCosine(turns: bigint): { readonly sine: number; readonly cosine: number } {
  const quadrant = Number(turns >> 62n);
  const x = Number((turns >> 37n) & 0x1ffffffn); // Q25 of a quarter turn
  const x2 = roundShift(x * x, 25);
  const sine = toQ24(roundShift(horner(SINE_Q25, x2) * x, 25));
  const cosine = toQ24(horner(COSINE_Q25, x2));
  switch (quadrant) {
    case 0:
      return { sine, cosine };
    case 1:
      return { sine: cosine, cosine: -sine };
    case 2:
      return { sine: -sine, cosine: -cosine };
    default:
      return { sine: -cosine, cosine: sine };
  }
}

const horner = (coefficients: readonly number[], x: number): number => {
  let p = 0;
  for (let k = coefficients.length - 1; k >= 0; k--) p = (coefficients[k] ?? 0) + roundShift(p * x, 25);
  return p;
};

const toQ24 = (q25: number): number => Math.min(0x100_0000, roundShift(q25, 1));

/** A positive number with its scale: value = significand · 2^exponent. */
export interface Scaled {
  readonly significand: number;
  readonly exponent: number;
}

/** 1 / sqrt(value) with 26 significant bits; value.significand has at most 53 bits. */
export function reciprocalSqrt(value: Scaled): Scaled {
  // v in [2^30, 2^32) with an even exponent, so that its root is an integer shift away.
  let k = bitLength(value.significand) - 32;
  if ((value.exponent + k) % 2 !== 0) k += 1;
  const v = k >= 0 ? roundShift(value.significand, k) : value.significand * pow2(-k);
  const root = integerSqrt(BigInt(v) << 30n); // sqrt(v) · 2^15
  const reciprocal = Number((1n << 61n) / root); // 2^46 / sqrt(v), 31 bits
  return { significand: roundShift(reciprocal, 5), exponent: -41 - (value.exponent + k) / 2 };
}

/** round(a / b) as Q30, for 0 <= a <= 2^30 and a <= b <= 2^42; 0 / 0 is 0. */
export function ratioQ30(a: number, b: number): number {
  return b === 0 ? 0 : Number(((BigInt(a) << 31n) + BigInt(b)) / (2n * BigInt(b)));
}

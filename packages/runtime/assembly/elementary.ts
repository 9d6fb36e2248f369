/**
 * Elementary functions in fixed point, scalar: the mirror of src/reference/elementary.ts, coefficients included.
 */
import { bits64, integerSqrt, mulShift, roundShift } from "./integer";

/** log2(e), 30 fractional bits. */
export const LOG2E_Q30: i64 = 1549082005;

/** 2^d for d <= 0 in Q16, as Q24; 0 below 2^-24. */
export function exp2(d: i32): i32 {
  if (d < -(24 << 16)) return 0;
  const n = (65535 - d) >> 16;
  const f = (d + (n << 16)) >> 1; // Q15
  let p = 1702 + ((445 * f + 16384) >> 15);
  p = 7912 + ((p * f + 16384) >> 15);
  p = 22709 + ((p * f + 16384) >> 15);
  p = 32768 + ((p * f + 16384) >> 15);
  return (p << 9) >> n;
}

/** 2^d for d <= 0 in Q20, as Q30. */
export function exp2Wide(d: i64): i64 {
  const n = (0xfffff - d) >> 20;
  if (n > 30) return 0;
  const f = d + (n << 20); // Q20
  let p: i64 = 234020;
  p = 1333037 + roundShift(p * f, 20);
  p = 10395082 + roundShift(p * f, 20);
  p = 59573864 + roundShift(p * f, 20);
  p = 257944890 + roundShift(p * f, 20);
  p = 744260928 + roundShift(p * f, 20);
  return (0x40000000 + roundShift(p * f, 20)) >> n;
}

/** 1 / (1 + e^-x) for x in Q20, |x| <= 2^30, as Q30. */
export function sigmoidWide(x: i32): i32 {
  const a: i64 = x < 0 ? -(<i64>x) : <i64>x;
  const positive = <i32>(((<i64>1) << 60) / (0x40000000 + exp2Wide(-mulShift(a, LOG2E_Q30, 30))));
  return x < 0 ? 0x40000000 - positive : positive;
}

/** round(a / b) as Q30, for 0 <= a <= 2^30, b <= 2^43; 0 / 0 is 0. */
export function ratioQ30(a: i64, b: i64): i64 {
  return b == 0 ? 0 : ((a << 31) + b) / (2 * b);
}

/** Sine and cosine of a quarter turn's fraction x (Q25), Q24, at most 2^24. */
function sineQ24(x: i64): i64 {
  const y = roundShift(x * x, 25);
  let p: i64 = -121;
  p = 5384 + roundShift(p * y, 25);
  p = -157094 + roundShift(p * y, 25);
  p = 2674041 + roundShift(p * y, 25);
  p = -21674958 + roundShift(p * y, 25);
  p = 52707179 + roundShift(p * y, 25);
  return min<i64>(0x1000000, roundShift(roundShift(p * x, 25), 1));
}

function cosineQ24(x: i64): i64 {
  const y = roundShift(x * x, 25);
  let p: i64 = 16;
  p = -846 + roundShift(p * y, 25);
  p = 30845 + roundShift(p * y, 25);
  p = -700062 + roundShift(p * y, 25);
  p = 8511736 + roundShift(p * y, 25);
  p = -41396121 + roundShift(p * y, 25);
  p = 33554432 + roundShift(p * y, 25);
  return min<i64>(0x1000000, roundShift(p, 1));
}

/** Sine of 2π · turns / 2^64, Q24. */
export function sine(turns: u64): i64 {
  const quadrant = <i32>(turns >> 62);
  const x = <i64>((turns >> 37) & 0x1ffffff);
  const s = quadrant & 1 ? cosineQ24(x) : sineQ24(x);
  return quadrant & 2 ? -s : s;
}

/** Cosine of 2π · turns / 2^64, Q24: the sine a quarter turn on. */
export function cosine(turns: u64): i64 {
  return sine(turns + 0x4000000000000000);
}

/** Significand (26 bits) of 1 / sqrt(value · 2^exponent); its exponent is left in `rootExponent`. 2^31 <= value < 2^53. */
export function reciprocalSqrt(value: i64, exponent: i32): i64 {
  let k = bits64(value) - 32;
  if ((exponent + k) & 1) k += 1;
  const v = k >= 0 ? roundShift(value, k) : value << <i64>-k;
  const root = integerSqrt((<u64>v) << 30);
  rootExponent = -41 - (exponent + k) / 2;
  return roundShift(<i64>(((<u64>1) << 61) / root), 5);
}

/** See {@link reciprocalSqrt}. */
export let rootExponent: i32 = 0;

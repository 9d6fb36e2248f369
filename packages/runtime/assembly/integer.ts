/**
 * Exact integer arithmetic, the mirror of src/reference/integer.ts: one rounding rule, to nearest, halves towards +infinity.
 */

/** Bits of an unsigned number: 0 for 0. */
@inline
export function bits32(x: u32): i32 {
  return 32 - <i32>clz(x);
}

/** Bits of |x|. */
@inline
export function bits64(x: i64): i32 {
  return 64 - <i32>clz(x < 0 ? 0 - x : x);
}

/** round(x / 2^s) for |x| < 2^62 and any s >= 0; 0 from s = 63 on. */
@inline
export function roundShift(x: i64, s: i32): i64 {
  if (s > 62) return 0;
  // (1 << s) >> 1 is 2^(s-1), and 0 for s = 0.
  return (x + (((<i64>1) << (<i64>s)) >> 1)) >> (<i64>s);
}

/** round(a · b / 2^s), s >= 0, |a · b| < 2^62. */
@inline
export function mulShift(a: i64, b: i64, s: i32): i64 {
  return roundShift(a * b, s);
}

/** Moves a mantissa of at most 31 bits by k places: exactly to the left, rounding to the right. */
@inline
export function shift(x: i32, k: i32): i32 {
  if (k >= 0) return k > 31 ? 0 : x << k;
  if (k <= -31) return 0;
  return <i32>(((<i64>x) + (((<i64>1) << (<i64>(-k))) >> 1)) >> (<i64>(-k)));
}

/** `shift`, limited to ±2^30. */
export function shiftSaturating(x: i64, k: i32): i32 {
  if (x == 0) return 0;
  if (bits64(x) + k > 30) return x < 0 ? -0x40000000 : 0x40000000;
  if (k >= 0) return <i32>(x << (<i64>k));
  if (k <= -31) return 0;
  return <i32>roundShift(x, -k);
}

/** round(a / b), b > 0; |2a + b| < 2^63. */
export function roundDiv(a: i64, b: i64): i64 {
  const n = 2 * a + b;
  const d = 2 * b;
  const q = n / d; // towards zero
  return n < 0 && q * d != n ? q - 1 : q;
}

/** floor(sqrt(x)), x < 2^62, by Newton's iteration from above. */
export function integerSqrt(x: u64): u64 {
  if (x < 2) return x;
  let root: u64 = (<u64>1) << <u64>((64 - <i32>clz(x) + 1) >> 1);
  let next = (root + x / root) >> 1;
  while (next < root) {
    root = next;
    next = (root + x / root) >> 1;
  }
  return root;
}

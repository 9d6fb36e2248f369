/** Four mantissas at a time. Row addresses need no alignment; lengths are multiples of 4 unless said otherwise. */

/** The or of four lanes. */
@inline
export function orLanes(v: v128): i32 {
  return (
    i32x4.extract_lane(v, 0) | i32x4.extract_lane(v, 1) | i32x4.extract_lane(v, 2) | i32x4.extract_lane(v, 3)
  );
}

/** Sum of the four i32 lanes. */
@inline
export function sumLanes(v: v128): i32 {
  const a = i32x4.add(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return i32x4.extract_lane(a, 0) + i32x4.extract_lane(a, 1);
}

/** Sums of the four lanes of each of four vectors, side by side. */
@inline
export function sumRows4(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
  return i32x4.add(i32x4.shuffle(ab, cd, 0, 1, 4, 5), i32x4.shuffle(ab, cd, 2, 3, 6, 7));
}

/** 2^(s-1) in both 64-bit lanes, 0 for s = 0: what {@link mulShift4} adds before it shifts. */
@inline
export function halfOf(s: i32): v128 {
  return i64x2.splat(((<i64>1) << (<i64>s)) >> 1);
}

/**
 * round(a · b / 2^s) lane by lane, 0 <= s <= 32, where the result fits in 32 bits: a logical shift has the same low bits as an
 * arithmetic one, and is one instruction on every machine.
 */
@inline
export function mulShift4(a: v128, b: v128, half: v128, s: i32): v128 {
  const low = i64x2.shr_u(i64x2.add(i64x2.extmul_low_i32x4_s(a, b), half), s);
  const high = i64x2.shr_u(i64x2.add(i64x2.extmul_high_i32x4_s(a, b), half), s);
  return i32x4.shuffle(low, high, 0, 2, 4, 6);
}

// A uniform shift by k is ((x << left) + half) >> right, masked to zero from 31 places to the right on.
@inline
export function leftOf(k: i32): i32 {
  return k > 0 ? k : 0;
}
@inline
export function rightOf(k: i32): i32 {
  return k < 0 && k > -31 ? -k : 0;
}
@inline
export function roundOf(k: i32): v128 {
  return i32x4.splat((1 << rightOf(k)) >> 1);
}
@inline
export function keepOf(k: i32): v128 {
  return i32x4.splat(k <= -31 ? 0 : -1);
}
@inline
export function shift4(x: v128, left: i32, right: i32, round: v128, keep: v128): v128 {
  return v128.and(i32x4.shr_s(i32x4.add(i32x4.shl(x, left), round), right), keep);
}

/** The or of all |x| of a row of n. */
export function orRow(x: usize, n: i32): i32 {
  let or = i32x4.splat(0);
  for (let i = 0; i < n; i += 4) or = v128.or(or, i32x4.abs(v128.load(x + (<usize>i << 2))));
  return orLanes(or);
}

/** to = from shifted by k; gives the or of all |to|. May be in place. */
export function shiftRow(to: usize, from: usize, n: i32, k: i32): i32 {
  const left = leftOf(k);
  const right = rightOf(k);
  const round = roundOf(k);
  const keep = keepOf(k);
  let or = i32x4.splat(0);
  const bytes = <usize>n << 2;
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = shift4(v128.load(from + i), left, right, round, keep);
    v128.store(to + i, v);
    or = v128.or(or, i32x4.abs(v));
  }
  return orLanes(or);
}

/** Copies n mantissas, any n, and zeroes up to the next multiple of 8; gives the or of all |x|. */
export function copyRow(to: usize, from: usize, n: i32): i32 {
  const padded = (n + 7) & ~7;
  memory.copy(to, from, <usize>n << 2);
  memory.fill(to + (<usize>n << 2), 0, <usize>(padded - n) << 2);
  return orRow(to, padded);
}

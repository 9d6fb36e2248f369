/** exp2 and sigmoid of four lanes at a time: the same results as elementary.ts. */
import { halfOf, mulShift4 } from "./vector";

/** a · b of lanes whose values fit in 16 bits, a >= 0: half the latency of a product of 32 bits. */
@inline
function mul16(a: v128, b: v128): v128 {
  return i32x4.dot_i16x8_s(a, b);
}

/** 2^k of lanes 0 <= k <= 15. */
@inline
function powerOfTwo(k: v128): v128 {
  // A byte each for k and for k - 8 where that is not negative; 8 to 15 find a zero.
  const index = v128.xor(v128.or(k, i32x4.shl(k, 8)), i32x4.splat(0x08080800));
  return i8x16.swizzle(i8x16(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0), index);
}

/** 2^-y for y >= 0 in Q16 (as unsigned), as Q24; 0 below 2^-24. */
@inline
export function exp2Lanes(y: v128): v128 {
  // Beyond 25 the power is zero anyway, and the rounding up below cannot overflow.
  const c = i32x4.min_u(y, i32x4.splat(25 << 16));
  const n = i32x4.shr_u(i32x4.add(c, i32x4.splat(65535)), 16);
  const f = i32x4.shr_u(i32x4.sub(i32x4.shl(n, 16), c), 1); // Q15
  const half = i32x4.splat(16384);
  let p = i32x4.shr_s(i32x4.add(mul16(f, i32x4.splat(445)), half), 15);
  p = i32x4.shr_s(i32x4.add(mul16(f, i32x4.add(p, i32x4.splat(1702))), half), 15);
  p = i32x4.shr_s(i32x4.add(mul16(f, i32x4.add(p, i32x4.splat(7912))), half), 15);
  // The last factor reaches 2^15.
  p = i32x4.shr_s(i32x4.add(i32x4.mul(f, i32x4.add(p, i32x4.splat(22709))), half), 15);
  // (p + 2^15) · 2^(9 - n): a lane has no shift of its own, but a factor; where n passes 9 it is 2^16 too large.
  const q = i32x4.mul(i32x4.add(p, i32x4.splat(32768)), powerOfTwo(v128.and(i32x4.sub(i32x4.splat(9), n), i32x4.splat(15))));
  return v128.bitselect(i32x4.shr_u(q, 16), q, i32x4.gt_s(n, i32x4.splat(9)));
}

/** floor(2^39 / x) for 2^24 <= x <= 2^25. */
@inline
export function reciprocalLanes(x: v128): v128 {
  // 1 / (1 + u) for u in [0, 1] by a cubic, then one step of Newton: within 1 of the quotient, for every x.
  const u = i32x4.min_s(i32x4.sub(i32x4.shr_u(x, 9), i32x4.splat(32768)), i32x4.splat(32767)); // Q15, short of 1
  let y = i32x4.add(i32x4.splat(21807), i32x4.shr_s(mul16(u, i32x4.splat(-7269)), 15));
  y = i32x4.add(i32x4.splat(-30894), i32x4.shr_s(mul16(u, y), 15));
  y = i32x4.add(i32x4.splat(32711), i32x4.shr_s(mul16(u, y), 15));
  // 1 - (1 + u) y
  const e = i32x4.shr_s(i32x4.sub(i32x4.sub(i32x4.splat(1 << 30), i32x4.shl(y, 15)), mul16(u, y)), 15);
  let q = i32x4.add(y, i32x4.shr_s(mul16(y, e), 15));
  // 2^39 is 0 modulo 2^32 and the remainder is small, so 32 bits hold it exactly.
  let r = i32x4.sub(i32x4.splat(0), i32x4.mul(q, x));
  const low = i32x4.shr_s(r, 31);
  q = i32x4.add(q, low);
  r = i32x4.add(r, v128.and(low, x));
  q = i32x4.sub(q, i32x4.ge_s(r, x));
  return q;
}

/** 1 / (1 + e^-x) for x in Q16, as Q15; flat beyond ±64. */
@inline
export function sigmoidLanes(x: v128): v128 {
  const a = i32x4.min_u(i32x4.abs(x), i32x4.splat(1 << 22));
  const y = mulShift4(a, i32x4.splat(1549082005), halfOf(30), 30);
  const positive = reciprocalLanes(i32x4.add(i32x4.splat(1 << 24), exp2Lanes(y)));
  return v128.bitselect(i32x4.sub(i32x4.splat(32768), positive), positive, i32x4.shr_s(x, 31));
}

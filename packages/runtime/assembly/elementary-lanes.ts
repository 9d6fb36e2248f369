/** exp2 and sigmoid of four lanes at a time: the same results as elementary.ts. */
import { mulShift4 } from "./vector";

/*
 * Constants, in all lanes. They lie in memory, as V8 builds a constant anew in every turn of a loop that has many of them, by three
 * instructions of which two wait for the same port of the processor, while a load is one.
 */
const HALF: usize = memory.data<i32>([16384, 16384, 16384, 16384], 16);
const NINE: usize = memory.data<i32>([9, 9, 9, 9], 16);
const FIFTEEN: usize = memory.data<i32>([15, 15, 15, 15], 16);
const ONE: usize = memory.data<i32>([1, 1, 1, 1], 16);
const ALL_BUT_ONE: usize = memory.data<i32>([65535, 65535, 65535, 65535], 16);
const ONE_Q15: usize = memory.data<i32>([32768, 32768, 32768, 32768], 16);
const BELOW_ONE: usize = memory.data<i32>([32767, 32767, 32767, 32767], 16);
const ONE_Q24: usize = memory.data<i32>([0x1000000, 0x1000000, 0x1000000, 0x1000000], 16);
const ONE_Q30: usize = memory.data<i32>([0x40000000, 0x40000000, 0x40000000, 0x40000000], 16);
const LOG2E: usize = memory.data<i32>([1549082005, 1549082005, 1549082005, 1549082005], 16);
const EXP2_0: usize = memory.data<i32>([22709, 22709, 22709, 22709], 16);
const EXP2_1: usize = memory.data<i32>([7912, 7912, 7912, 7912], 16);
const EXP2_2: usize = memory.data<i32>([1702, 1702, 1702, 1702], 16);
const EXP2_3: usize = memory.data<i32>([445, 445, 445, 445], 16);
const EXP2_END: usize = memory.data<i32>([0x190000, 0x190000, 0x190000, 0x190000], 16);
const INVERSE_0: usize = memory.data<i32>([32711, 32711, 32711, 32711], 16);
const INVERSE_1: usize = memory.data<i32>([-30894, -30894, -30894, -30894], 16);
const INVERSE_2: usize = memory.data<i32>([21807, 21807, 21807, 21807], 16);
const INVERSE_3: usize = memory.data<i32>([-7269, -7269, -7269, -7269], 16);
const SIGMOID_END: usize = memory.data<i32>([0x400000, 0x400000, 0x400000, 0x400000], 16);
const BYTE_EIGHT: usize = memory.data<i32>([0x08080800, 0x08080800, 0x08080800, 0x08080800], 16);
/** 2^i in byte i, 0 from the eighth on. */
const POWERS: usize = memory.data<i32>([0x08040201, 0x80402010, 0, 0], 16);
/** 2^29 in both halves. */
const HALF_Q30: usize = memory.data<i32>([0x20000000, 0, 0x20000000, 0], 16);

@inline
function at(constant: usize): v128 {
  return v128.load(constant);
}

/** a · b of lanes whose values fit in 16 bits, a >= 0: half the latency of a product of 32 bits. */
@inline
function mul16(a: v128, b: v128): v128 {
  return i32x4.dot_i16x8_s(a, b);
}

/** 2^k of lanes 0 <= k <= 15. */
@inline
function powerOfTwo(k: v128): v128 {
  // A byte each for k and for k - 8 where that is not negative; 8 to 15 find a zero.
  const index = v128.xor(v128.or(k, i32x4.shl(k, 8)), at(BYTE_EIGHT));
  return i8x16.swizzle(at(POWERS), index);
}

/** 2^-y for y >= 0 in Q16 (as unsigned), as Q24; 0 below 2^-24. */
@inline
export function exp2Lanes(y: v128): v128 {
  // Beyond 25 the power is zero anyway, and the rounding up below cannot overflow.
  const c = i32x4.min_u(y, at(EXP2_END));
  const n = i32x4.shr_u(i32x4.add(c, at(ALL_BUT_ONE)), 16);
  const f = i32x4.shr_u(i32x4.sub(i32x4.shl(n, 16), c), 1); // Q15
  const half = at(HALF);
  let p = i32x4.shr_s(i32x4.add(mul16(f, at(EXP2_3)), half), 15);
  p = i32x4.shr_s(i32x4.add(mul16(f, i32x4.add(p, at(EXP2_2))), half), 15);
  p = i32x4.shr_s(i32x4.add(mul16(f, i32x4.add(p, at(EXP2_1))), half), 15);
  // The last factor reaches 2^15.
  p = i32x4.shr_s(i32x4.add(i32x4.mul(f, i32x4.add(p, at(EXP2_0))), half), 15);
  // (p + 2^15) · 2^(9 - n): a lane has no shift of its own, but a factor; where n passes 9 it is 2^16 too large.
  const q = i32x4.mul(i32x4.add(p, at(ONE_Q15)), powerOfTwo(v128.and(i32x4.sub(at(NINE), n), at(FIFTEEN))));
  return v128.bitselect(i32x4.shr_u(q, 16), q, i32x4.gt_s(n, at(NINE)));
}

/** floor(2^39 / x) for 2^24 <= x <= 2^25. */
@inline
export function reciprocalLanes(x: v128): v128 {
  // 1 / (1 + u) for u in [0, 1] by a cubic, then one step of Newton: within 1 of the quotient, for every x.
  const u = i32x4.min_s(i32x4.sub(i32x4.shr_u(x, 9), at(ONE_Q15)), at(BELOW_ONE)); // Q15, short of 1
  let y = i32x4.add(at(INVERSE_2), i32x4.shr_s(mul16(u, at(INVERSE_3)), 15));
  y = i32x4.add(at(INVERSE_1), i32x4.shr_s(mul16(u, y), 15));
  y = i32x4.add(at(INVERSE_0), i32x4.shr_s(mul16(u, y), 15));
  // 1 - (1 + u) y
  const e = i32x4.shr_s(i32x4.sub(i32x4.sub(at(ONE_Q30), i32x4.shl(y, 15)), mul16(u, y)), 15);
  const q = i32x4.add(y, i32x4.shr_s(mul16(y, e), 15));
  // 2^39 is 0 modulo 2^32 and the remainder is small, so 32 bits hold it exactly: below 0, short of x, or beyond.
  const r = i32x4.neg(i32x4.mul(q, x));
  return i32x4.add(i32x4.add(q, at(ONE)), i32x4.add(i32x4.shr_s(r, 31), i32x4.gt_s(x, r)));
}

/**
 * 1 / (1 + e^-x) for n values x in Q16, n a multiple of 4, as Q15, in place; flat beyond ±64. `scratch` holds as many. Each step is a loop
 * of its own: it waits on itself from one instruction to the next, and only where it is short a core finds other lanes to go on with.
 */
export function sigmoidRow(x: usize, n: i32, scratch: usize): void {
  const half = at(HALF_Q30);
  const bytes = <usize>n << 2;
  for (let i: usize = 0; i < bytes; i += 16) {
    const a = i32x4.min_u(i32x4.abs(v128.load(x + i)), at(SIGMOID_END));
    v128.store(scratch + i, mulShift4(a, at(LOG2E), half, 30));
  }
  for (let i: usize = 0; i < bytes; i += 16) v128.store(scratch + i, exp2Lanes(v128.load(scratch + i)));
  for (let i: usize = 0; i < bytes; i += 16) {
    const positive = reciprocalLanes(i32x4.add(at(ONE_Q24), v128.load(scratch + i)));
    const negative = i32x4.shr_s(v128.load(x + i), 31);
    v128.store(x + i, v128.bitselect(i32x4.sub(at(ONE_Q15), positive), positive, negative));
  }
}

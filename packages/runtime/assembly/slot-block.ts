/** Blocks of 32 cache slots: their exponents brought to one shift. */
import { BLOCK_SLOTS } from "../src/engine/layout/sizes";

/** The largest difference of exponents that still fits: 25 bits of significand and 6 make 31. */
export const MAX_SPREAD: i32 = 6;

/** The least exponent that {@link spreadOf} saw. */
export let blockLeast: i32 = 0;

/** The difference between the largest and the least exponent of a block's first `count` slots. */
@inline
export function spreadOf(exponents: usize, count: i32): i32 {
  // Slots that nothing was written to yet count as the last one that was.
  const last = v128.load32_splat(exponents + (<usize>(count - 1) << 2));
  const end = i32x4.splat(count);
  let slot = i32x4(0, 1, 2, 3);
  let least = last;
  let most = last;
  for (let j: usize = 0; j < 128; j += 16) {
    const e = v128.bitselect(v128.load(exponents + j), last, i32x4.lt_s(slot, end));
    slot = i32x4.add(slot, i32x4.splat(4));
    least = i32x4.min_s(least, e);
    most = i32x4.max_s(most, e);
  }
  least = i32x4.min_s(least, i32x4.shuffle(least, least, 2, 3, 0, 1));
  most = i32x4.max_s(most, i32x4.shuffle(most, most, 2, 3, 0, 1));
  blockLeast = min(i32x4.extract_lane(least, 0), i32x4.extract_lane(least, 1));
  // A wrapped difference (a zero value's exponent) is negative or large.
  return max(i32x4.extract_lane(most, 0), i32x4.extract_lane(most, 1)) - blockLeast;
}

/** 2^d of lanes 0 <= d <= 6. */
@inline
export function powers(d: v128): v128 {
  return i8x16.swizzle(i8x16(1, 2, 4, 8, 16, 32, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0), v128.or(d, i32x4.splat(-256)));
}

/** (a · b + half) >> s where the result fits in 32 bits, 0 <= s <= 63. */
@inline
export function shiftProduct(a: v128, b: v128, half: v128, s: i32): v128 {
  const low = i64x2.add(i64x2.extmul_low_i32x4_s(a, b), half);
  const high = i64x2.add(i64x2.extmul_high_i32x4_s(a, b), half);
  return s <= 32
    ? i32x4.shuffle(i64x2.shr_u(low, s), i64x2.shr_u(high, s), 0, 2, 4, 6)
    : i32x4.shr_s(i32x4.shuffle(low, high, 1, 3, 5, 7), s - 32);
}

/** The largest of the words [low, high) of a block. */
@inline
export function largestOf(words: usize, low: i32, high: i32): i32 {
  let most = i32.MIN_VALUE;
  if (low == 0 && high == BLOCK_SLOTS) {
    let v = v128.load(words);
    for (let j: usize = 16; j < 128; j += 16) v = i32x4.max_s(v, v128.load(words + j));
    v = i32x4.max_s(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
    most = max(i32x4.extract_lane(v, 0), i32x4.extract_lane(v, 1));
  } else {
    for (let j = low; j < high; j++) most = max(most, load<i32>(words + (<usize>j << 2)));
  }
  return most;
}

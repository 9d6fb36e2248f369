/** Scores of a block of 32 slots, as base-2 logarithms in Q16. The mirror of src/reference/attention.ts. */
import { bits32, bits64, mulShift, roundShift, shiftSaturating } from "./integer";
import { blockLeast, MAX_SPREAD, powers, shiftProduct, spreadOf } from "./slot-block";
import { orLanes } from "./vector";

const LIMIT: i64 = 0x40000000;

@inline
function limit(x: i64): i32 {
  return <i32>max<i64>(-LIMIT, min<i64>(LIMIT, x));
}

/** q · k of the 32 slots whose keys begin at `keys`, of `keyPad` dims each. */
export function dotBlock(q: usize, keys: usize, keyPad: i32, to: usize): void {
  dotKeys(q, keys, keyPad, to);
  dotKeys(q, keys + (<usize>keyPad << 5), keyPad, to + 64);
}

/** Sixteen scores, a cache line of keys a step. */
@inline
function dotKeys(q: usize, keys: usize, keyPad: i32, to: usize): void {
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  let c = i32x4.splat(0);
  let d = i32x4.splat(0);
  const end = q + (<usize>keyPad << 1);
  do {
    const x = v128.load32_splat(q);
    a = i32x4.add(a, i32x4.dot_i16x8_s(x, v128.load(keys)));
    b = i32x4.add(b, i32x4.dot_i16x8_s(x, v128.load(keys, 16)));
    c = i32x4.add(c, i32x4.dot_i16x8_s(x, v128.load(keys, 32)));
    d = i32x4.add(d, i32x4.dot_i16x8_s(x, v128.load(keys, 48)));
    keys += 64;
    q += 4;
  } while (q < end);
  v128.store(to, a);
  v128.store(to, b, 16);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
}

/**
 * Turns the products of a block into scores: slots [low, high) where one shift cannot serve all of the first `high`. `distance`: from the
 * block's first slot to the query's.
 */
export function scoreSlots(
  dots: usize,
  exponents: usize,
  low: i32,
  high: i32,
  significand: i64,
  base: i32,
  slope: i64,
  distance: i32,
): void {
  if (slope == 0 && scoreBlock(dots, exponents, high, significand, base)) return;
  for (let j = low; j < high; j++) {
    const at = dots + (<usize>j << 2);
    const product = <i64>load<i32>(at) * significand;
    const k = base + load<i32>(exponents + (<usize>j << 2));
    const s = k > -24 ? shiftSaturating(roundShift(product, 24), k + 24) : limit(roundShift(product, -k));
    store<i32>(at, slope == 0 ? s : limit(<i64>s - mulShift(slope, <i64>(distance - j), 8)));
  }
}

/**
 * Scores of a whole block at once, where its keys' exponents lie close and no score can reach its limit: a key's exponent moves into
 * the factor, so that one shift serves all. False, and nothing done, elsewhere.
 */
@inline
function scoreBlock(dots: usize, exponents: usize, count: i32, significand: i64, base: i32): bool {
  const spread = spreadOf(exponents, count);
  if (spread < 0 || spread > MAX_SPREAD) return false;
  const s = -(base + blockLeast);
  let or = i32x4.splat(0);
  for (let j: usize = 0; j < 128; j += 16) or = v128.or(or, i32x4.abs(v128.load(dots + j)));
  const size = bits32(<u32>orLanes(or)) + bits64(significand) + spread;
  if (s < 24 + spread || s > 62 || size - s > 29) return false;
  const least = i32x4.splat(blockLeast);
  const factor = i32x4.splat(<i32>significand);
  const half = i64x2.splat(<i64>1 << <i64>(s - 1));
  for (let j: usize = 0; j < 128; j += 16) {
    const f = i32x4.mul(factor, powers(i32x4.sub(v128.load(exponents + j), least)));
    v128.store(dots + j, shiftProduct(v128.load(dots + j), f, half, s));
  }
  return true;
}

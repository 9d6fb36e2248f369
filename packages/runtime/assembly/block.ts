/** Blocks: mantissas with one exponent a token. The mirror of src/reference/block.ts. */
import * as MAP from "../src/engine/layout/map";
import { address, field, head, row, rowBits, rowExponent, setActivationHead, setHead } from "./memory";
import { halfOf, keepOf, leftOf, mulShift4, orLanes, rightOf, roundOf, shift4 } from "./vector";

/** The exponent at which both blocks fit in 29 bits; 0 where both are zero. */
@inline
export function commonExponent(aBits: i32, aExponent: i32, bBits: i32, bExponent: i32): i32 {
  if (aBits == 0) return bBits == 0 ? 0 : bBits + bExponent - 29;
  if (bBits == 0) return aBits + aExponent - 29;
  return max(aBits + aExponent, bBits + bExponent) - 29;
}

/** Bits of the sum that {@link addRow} left, and its exponent. */
export let sumExponent: i32 = 0;

/** to = a + b of n elements (a multiple of 4); gives the or. `to` may be a or b. */
export function addRow(
  to: usize,
  a: usize,
  aBits: i32,
  aExponent: i32,
  b: usize,
  bBits: i32,
  bExponent: i32,
  n: i32,
): i32 {
  const exponent = commonExponent(aBits, aExponent, bBits, bExponent);
  sumExponent = exponent;
  const ka = aBits == 0 ? 0 : aExponent - exponent;
  const kb = bBits == 0 ? 0 : bExponent - exponent;
  const aLeft = leftOf(ka);
  const aRight = rightOf(ka);
  const aRound = roundOf(ka);
  const aKeep = keepOf(ka);
  const bLeft = leftOf(kb);
  const bRight = rightOf(kb);
  const bRound = roundOf(kb);
  const bKeep = keepOf(kb);
  let or = i32x4.splat(0);
  const bytes = <usize>n << 2;
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = shift4(v128.load(a + i), aLeft, aRight, aRound, aKeep);
    const y = shift4(v128.load(b + i), bLeft, bRight, bRound, bKeep);
    const sum = i32x4.add(x, y);
    v128.store(to + i, sum);
    or = v128.or(or, i32x4.abs(sum));
  }
  return orLanes(or);
}

/** a += b, tokens of this part; `width` elements, padded to 8. */
export function addBlocks(a: usize, b: usize, tokens: i32, width: i32, part: i32, parts: i32): void {
  const n = (width + 7) & ~7;
  for (let t = part; t < tokens; t += parts) {
    const ha = head(a, t);
    const hb = head(b, t);
    const to = row(a, t, 4);
    const or = addRow(to, to, rowBits(ha), rowExponent(ha), row(b, t, 4), rowBits(hb), rowExponent(hb), n);
    setHead(ha, sumExponent, or);
  }
}

/** a += bias, the same i32 vector (with its exponent and bits) for every token; its padding holds zeros up to 8. */
export function addBias(a: usize, map: usize, tokens: i32, part: i32, parts: i32): void {
  const bias = address(map, MAP.bias);
  const exponent = field(map, MAP.biasExponent);
  const bits = field(map, MAP.biasBits);
  const n = (field(map, MAP.rows) + 7) & ~7;
  for (let t = part; t < tokens; t += parts) {
    const h = head(a, t);
    const to = row(a, t, 4);
    const or = addRow(to, to, rowBits(h), rowExponent(h), bias, bits, exponent, n);
    setHead(h, sumExponent, or);
  }
}

/** to = a · b element by element, each with 26 bits; gives the or. `to` may be a or b; its exponent is the sum's plus 26. */
export function multiplyRow(to: usize, a: usize, aBits: i32, b: usize, bBits: i32, n: i32): i32 {
  const ka = aBits == 0 ? 0 : 26 - aBits;
  const kb = bBits == 0 ? 0 : 26 - bBits;
  const aLeft = leftOf(ka);
  const aRight = rightOf(ka);
  const aRound = roundOf(ka);
  const bLeft = leftOf(kb);
  const bRight = rightOf(kb);
  const bRound = roundOf(kb);
  const all = i32x4.splat(-1);
  const half = halfOf(26);
  let or = i32x4.splat(0);
  const bytes = <usize>n << 2;
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = shift4(v128.load(a + i), aLeft, aRight, aRound, all);
    const y = shift4(v128.load(b + i), bLeft, bRight, bRound, all);
    const product = mulShift4(x, y, half, 26);
    v128.store(to + i, product);
    or = v128.or(or, i32x4.abs(product));
  }
  return orLanes(or);
}

/**
 * Rounds n mantissas (a multiple of 8) to `bits`, 12 or 14, as i16: s = {@link quantiseShift}; gives Σ |q|. What would round up to
 * 2^(bits-1) becomes one less; `floor` is the least q.
 */
export function quantiseRow(to: usize, from: usize, n: i32, s: i32, bits: i32, floor: i32): i32 {
  const round = i32x4.splat((1 << s) >> 1);
  const most = (1 << (bits - 1)) - 1;
  const ceiling = i16x8.splat(<i16>most);
  const least = i16x8.splat(<i16>floor);
  const ones = i16x8.splat(1);
  let sum = i32x4.splat(0);
  for (let i: usize = 0; i < <usize>n; i += 8) {
    const low = i32x4.shr_s(i32x4.add(v128.load(from + (i << 2)), round), s);
    const high = i32x4.shr_s(i32x4.add(v128.load(from + (i << 2), 16), round), s);
    const q = i16x8.max_s(i16x8.min_s(i16x8.narrow_i32x4_s(low, high), ceiling), least);
    v128.store(to + (i << 1), q);
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.abs(q), ones));
  }
  return i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3);
}

/** How far a block of so many bits moves to fit `bits`. */
@inline
export function quantiseShift(size: i32, bits: i32): i32 {
  return max(0, size - (bits - 1));
}

/** Rounds rows to 14-bit activations; `to` is zero from the width to its stride. */
export function quantise(from: usize, to: usize, tokens: i32, width: i32, part: i32, parts: i32): void {
  const n = (width + 7) & ~7;
  for (let t = part; t < tokens; t += parts) {
    const h = head(from, t);
    const s = quantiseShift(rowBits(h), 14);
    const q = row(to, t, 2);
    const l1 = quantiseRow(q, row(from, t, 4), n, s, 14, -8192);
    memory.fill(q + (<usize>n << 1), 0, <usize>(((width + 31) & ~31) - n) << 1);
    setActivationHead(head(to, t), rowExponent(h) + s, l1);
  }
}

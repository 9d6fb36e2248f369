/**
 * Rows and tokens as linear-seven.ts multiplies them: their sums and differences, two columns of four rows or tokens in a vector.
 *
 * Rows, of 16 or 32: i16 [7][block/4][8 or 16 rows][2]; tokens: i16 [7][block/4][4 tokens][2], where a block's columns are taken in two halves.
 */
import { row } from "./memory";

/** 16 or 32 rows of a block of columns, which begin at w. */
export function combineRows(w: usize, stride: usize, rows: i32, block: i32, to: usize): void {
  const half = <usize>block >> 1;
  const pair = <usize>rows << 1; // bytes of a pair of columns of half the rows
  const each = (half >> 1) * pair; // bytes of a combination
  const bottom = stride * <usize>(rows >> 1);
  for (let g: usize = 0; g < <usize>(rows >> 3); g++) {
    let top = w + 4 * g * stride;
    let at = to + (g << 4);
    for (const end = top + half; top < end; top += 8) {
      const a = pairs(top, stride);
      const a2 = pairs(top + 2 * stride, stride);
      const b = pairs(top + half, stride);
      const b2 = pairs(top + half + 2 * stride, stride);
      const c = pairs(top + bottom, stride);
      const c2 = pairs(top + bottom + 2 * stride, stride);
      const d = pairs(top + bottom + half, stride);
      const d2 = pairs(top + bottom + half + 2 * stride, stride);
      combineFour(at, pair, each, low(a, a2), low(b, b2), low(c, c2), low(d, d2));
      combineFour(at + 2 * pair, pair, each, high(a, a2), high(b, b2), high(c, c2), high(d, d2));
      at += 4 * pair;
    }
  }
}

/** Eight columns of two rows, in pairs by turns. */
@inline
function pairs(w: usize, stride: usize): v128 {
  const a = v128.load64_zero(w);
  const b = v128.load64_zero(w + stride);
  return i8x16.shuffle(a, b, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
}

/** Four columns of four rows, in pairs by turns: the first four, or the last, of {@link pairs}. */
@inline
function low(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 0, 4, 1, 5);
}
@inline
function high(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 2, 6, 3, 7);
}

/** Two vectors of each combination, from four columns of each block's rows as bytes. */
@inline
function combineFour(at: usize, pair: usize, each: usize, a11: v128, a12: v128, a21: v128, a22: v128): void {
  combineTwo(
    at,
    each,
    i16x8.extend_low_i8x16_s(a11),
    i16x8.extend_low_i8x16_s(a12),
    i16x8.extend_low_i8x16_s(a21),
    i16x8.extend_low_i8x16_s(a22),
  );
  combineTwo(
    at + pair,
    each,
    i16x8.extend_high_i8x16_s(a11),
    i16x8.extend_high_i8x16_s(a12),
    i16x8.extend_high_i8x16_s(a21),
    i16x8.extend_high_i8x16_s(a22),
  );
}

@inline
function combineTwo(at: usize, each: usize, a11: v128, a12: v128, a21: v128, a22: v128): void {
  v128.store(at, i16x8.add(a11, a22));
  v128.store(at + each, i16x8.add(a21, a22));
  v128.store(at + 2 * each, a11);
  v128.store(at + 3 * each, a22);
  v128.store(at + 4 * each, i16x8.add(a11, a12));
  v128.store(at + 5 * each, i16x8.sub(a21, a11));
  v128.store(at + 6 * each, i16x8.sub(a12, a22));
}

/** Eight tokens from t + i on, of a block of columns from k on; those that are not there repeat the last. */
export function combineTokens(xs: usize, t: i32, i: i32, tokens: i32, k: i32, block: i32, to: usize): void {
  const right = <usize>block; // bytes of half the columns
  const each = right << 2; // bytes of a combination
  const last = t + tokens - 1;
  const from = t + i;
  // Two tokens at a time fill their half of every vector.
  for (let j: i32 = 0; j < 2; j++) {
    let at = to + (<usize>j << 3);
    let p = row(xs, min(from + 2 * j, last), 2) + (<usize>k << 1);
    const p2 = row(xs, min(from + 2 * j + 1, last), 2) + (<usize>k << 1) - p;
    const q = row(xs, min(from + 2 * j + 4, last), 2) + (<usize>k << 1) - p;
    const q2 = row(xs, min(from + 2 * j + 5, last), 2) + (<usize>k << 1) - p;
    for (const end = p + right; p < end; p += 8) {
      const b11 = low(v128.load64_zero(p), v128.load64_zero(p + p2));
      const b12 = low(v128.load64_zero(p + q), v128.load64_zero(p + q2));
      const b21 = low(v128.load64_zero(p + right), v128.load64_zero(p + p2 + right));
      const b22 = low(v128.load64_zero(p + q + right), v128.load64_zero(p + q2 + right));
      storeHalves(at, i16x8.add(b11, b22));
      storeHalves(at + each, b11);
      storeHalves(at + 2 * each, i16x8.sub(b12, b22));
      storeHalves(at + 3 * each, i16x8.sub(b21, b11));
      storeHalves(at + 4 * each, b22);
      storeHalves(at + 5 * each, i16x8.add(b11, b12));
      storeHalves(at + 6 * each, i16x8.add(b21, b22));
      at += 32;
    }
  }
}

/** A pair of columns of two tokens to its place, and the next pair to the next vector. */
@inline
function storeHalves(at: usize, v: v128): void {
  v128.store_lane<i64>(at, v, 0);
  v128.store_lane<i64>(at, v, 1, 16);
}

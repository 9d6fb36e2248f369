/**
 * The same products by the relaxed dot product of signed and 7-bit bytes: q + 8192 = 128 · hi + lo with both limbs in 0..127, so
 * w · q = 128 · (w · hi) + w · lo - 8192 · Σ w. The second operand is 7-bit by construction and no pair of products passes 16 bits
 * (2 · 127 · 127), so the instruction has one result on every machine. Sums wrap at 32 bits; the result does not (linear.ts).
 *
 * Limbs of a token: u8 [stride / 16][2][16], sixteen high ones and then sixteen low ones, `stride` the row stride of the matrix. Rows
 * end in zeros, so limbs beyond the columns do not matter.
 */
import * as MAP from "../src/engine/layout/map";
import { address, field, head, row } from "./memory";
import { addOr, clearOrs, finishAll, shiftOf, workspace } from "./product";
import { sumLanes } from "./vector";

/** Bytes of weights that stay in the first-level cache while the tokens pass. */
const PANEL: i32 = 16384;

/** Row sums of a matrix, i32 [rows], for the term that the offset adds. */
export function sumRows(map: usize, to: usize): void {
  const stride = <usize>field(map, MAP.stride);
  let w = address(map, MAP.data);
  for (let r = 0; r < field(map, MAP.rows); r++) {
    let sum = i32x4.splat(0);
    for (let k: usize = 0; k < stride; k += 16) {
      sum = i32x4.add(sum, i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(v128.load(w + k))));
    }
    store<i32>(to + (<usize>r << 2), sumLanes(sum));
    w += stride;
  }
}

/** Splits the activations of tokens [t, t + tokens) into limbs, in the workspace. */
function split(xs: usize, t: i32, tokens: i32, stride: usize): void {
  const offset = i16x8.splat(8192);
  const low = i16x8.splat(127);
  let to = workspace;
  for (let i = 0; i < tokens; i++) {
    const x = row(xs, t + i, 2);
    for (let k: usize = 0; k < stride << 1; k += 32) {
      const a = i16x8.add(v128.load(x + k), offset);
      const b = i16x8.add(v128.load(x + k, 16), offset);
      v128.store(to + k, i8x16.narrow_i16x8_u(i16x8.shr_u(a, 7), i16x8.shr_u(b, 7)));
      v128.store(to + k, i8x16.narrow_i16x8_u(v128.and(a, low), v128.and(b, low)), 16);
    }
    to += stride << 1;
  }
}

@inline
function joined(high: v128, low: v128): i32 {
  return (sumLanes(high) << 7) + sumLanes(low);
}

@inline
function result(sum: i32, sums: usize, multipliers: usize, r: i32, s: i64): i32 {
  const at = <usize>r << 2;
  const exact = sum - (load<i32>(sums + at) << 13);
  return <i32>((<i64>exact * <i64>load<i32>(multipliers + at) + (((<i64>1) << s) >> 1)) >> s);
}

/** Rows [from, to) of one token, from two halves of the matrix side by side; gives the or. */
export function relaxedOne(map: usize, xs: usize, t: i32, out: usize, from: i32, to: i32, s: i32): i32 {
  const stride = <usize>field(map, MAP.stride);
  const multipliers = address(map, MAP.multipliers);
  const sums = address(map, MAP.sums);
  split(xs, t, 1, stride);
  const half = (to - from + 1) >> 1;
  const apart = <usize>(to - from - half) * stride;
  let w = address(map, MAP.data) + <usize>from * stride;
  let or = 0;
  // Of an odd number of rows the one in the middle is done twice.
  for (let r = from; r < from + half; r++) {
    let h0 = i32x4.splat(0);
    let l0 = i32x4.splat(0);
    let h1 = i32x4.splat(0);
    let l1 = i32x4.splat(0);
    let x = workspace;
    for (const end = w + stride; w < end; w += 16) {
      const a = v128.load(w);
      const b = v128.load(w + apart);
      const high = v128.load(x);
      const low = v128.load(x, 16);
      h0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, high, h0);
      l0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, low, l0);
      h1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(b, high, h1);
      l1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(b, low, l1);
      x += 32;
    }
    const v0 = result(joined(h0, l0), sums, multipliers, r, s);
    const v1 = result(joined(h1, l1), sums, multipliers, r + to - from - half, s);
    store<i32>(out + (<usize>r << 2), v0);
    store<i32>(out + (<usize>(r + to - from - half) << 2), v1);
    or |= abs(v0) | abs(v1);
  }
  return or;
}

/** Rows [from, to) of several tokens: a panel of rows at a time, two tokens at a time. */
export function relaxedMany(map: usize, xs: usize, t: i32, tokens: i32, y: usize, from: i32, to: i32, part: i32): void {
  clearOrs(t, tokens);
  split(xs, t, tokens, <usize>field(map, MAP.stride));
  const panel = max(2, min(64, PANEL / field(map, MAP.stride)) & ~1);
  for (let top = from; top < to; top += panel) {
    const bottom = min(to, top + panel);
    for (let i = 0; i < tokens; i += 2) relaxedTiles(map, xs, t, min(i, tokens - 2), y, top, bottom);
  }
  finishAll(map, xs, y, t, tokens, to, part);
}

/** Rows [top, bottom) of the i-th and the next token from t on, two at a time; an odd last row is done twice. */
function relaxedTiles(map: usize, xs: usize, t: i32, i: i32, y: usize, top: i32, bottom: i32): void {
  const stride = <usize>field(map, MAP.stride);
  const multipliers = address(map, MAP.multipliers);
  const sums = address(map, MAP.sums);
  const sa = shiftOf(map, xs, t + i);
  const sb = shiftOf(map, xs, t + i + 1);
  const ya = row(y, t + i, 4);
  const yb = row(y, t + i + 1, 4);
  const pair = stride << 1;
  let oa = 0;
  let ob = 0;
  for (let r = top; r < bottom; r += 2) {
    const next = min(r + 1, bottom - 1);
    let w = address(map, MAP.data) + <usize>r * stride;
    const beside = <usize>(next - r) * stride;
    let x = workspace + <usize>i * pair;
    let ah0 = i32x4.splat(0);
    let al0 = i32x4.splat(0);
    let bh0 = i32x4.splat(0);
    let bl0 = i32x4.splat(0);
    let ah1 = i32x4.splat(0);
    let al1 = i32x4.splat(0);
    let bh1 = i32x4.splat(0);
    let bl1 = i32x4.splat(0);
    for (const end = w + stride; w < end; w += 16) {
      const w0 = v128.load(w);
      const w1 = v128.load(w + beside);
      let v = v128.load(x);
      ah0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w0, v, ah0);
      ah1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w1, v, ah1);
      v = v128.load(x, 16);
      al0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w0, v, al0);
      al1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w1, v, al1);
      v = v128.load(x + pair);
      bh0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w0, v, bh0);
      bh1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w1, v, bh1);
      v = v128.load(x + pair, 16);
      bl0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w0, v, bl0);
      bl1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w1, v, bl1);
      x += 32;
    }
    const va0 = result(joined(ah0, al0), sums, multipliers, r, sa);
    const va1 = result(joined(ah1, al1), sums, multipliers, next, sa);
    const vb0 = result(joined(bh0, bl0), sums, multipliers, r, sb);
    const vb1 = result(joined(bh1, bl1), sums, multipliers, next, sb);
    store<i32>(ya + (<usize>r << 2), va0);
    store<i32>(ya + (<usize>next << 2), va1);
    store<i32>(yb + (<usize>r << 2), vb0);
    store<i32>(yb + (<usize>next << 2), vb1);
    oa |= abs(va0) | abs(va1);
    ob |= abs(vb0) | abs(vb1);
  }
  addOr(t + i, oa);
  addOr(t + i + 1, ob);
}

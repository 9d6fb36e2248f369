/**
 * The same products by the relaxed dot product of signed and 7-bit bytes: q + 8192 = 128 · hi + lo with both limbs in 0..127, so
 * w · q = 128 · (w · hi) + w · lo - 8192 · Σ w. The second operand is 7-bit by construction and no pair of products passes 16 bits
 * (2 · 127 · 127), so the instruction has one result on every machine. Sums wrap at 32 bits; the result does not (linear.ts).
 *
 * Limbs of a token: u8 [stride] high, then u8 [stride] low, `stride` the row stride of the matrix. Rows end in zeros, so limbs
 * beyond the columns do not matter.
 */
import { address, field, head, row } from "./memory";
import { sumLanes } from "./vector";

let limbs: usize = 0;

/** Tells where the limbs of a chunk may be written: 2 bytes a token and column of the widest matrix. */
export function setLimbs(at: usize): void {
  limbs = at;
}

/** Row sums of a matrix, i32 [rows], for the term that the offset adds. */
export function sumRows(map: usize, to: usize): void {
  const stride = <usize>field(map, 1);
  let w = address(map, 0);
  for (let r = 0; r < field(map, 6); r++) {
    let sum = i32x4.splat(0);
    for (let k: usize = 0; k < stride; k += 16) {
      sum = i32x4.add(sum, i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(v128.load(w + k))));
    }
    store<i32>(to + (<usize>r << 2), sumLanes(sum));
    w += stride;
  }
}

/** Splits the activations of tokens [t, t + tokens) into limbs. */
function split(xs: usize, t: i32, tokens: i32, stride: usize): void {
  const offset = i16x8.splat(8192);
  const low = i16x8.splat(127);
  let to = limbs;
  for (let i = 0; i < tokens; i++) {
    const x = row(xs, t + i, 2);
    for (let k: usize = 0; k < stride; k += 16) {
      const a = i16x8.add(v128.load(x + (k << 1)), offset);
      const b = i16x8.add(v128.load(x + (k << 1), 16), offset);
      v128.store(to + k, i8x16.narrow_i16x8_u(i16x8.shr_u(a, 7), i16x8.shr_u(b, 7)));
      v128.store(to + stride + k, i8x16.narrow_i16x8_u(v128.and(a, low), v128.and(b, low)));
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

/** One token; gives the or. */
export function relaxedOne(map: usize, xs: usize, t: i32, out: usize, from: i32, to: i32, s: i32): i32 {
  const stride = <usize>field(map, 1);
  const multipliers = address(map, 3);
  const sums = address(map, 11);
  split(xs, t, 1, stride);
  const pairs = stride & ~31;
  let w = address(map, 0) + <usize>from * stride;
  let or = 0;
  for (let r = from; r < to; r++) {
    let h0 = i32x4.splat(0);
    let l0 = i32x4.splat(0);
    let h1 = i32x4.splat(0);
    let l1 = i32x4.splat(0);
    let x = limbs;
    const end = w + pairs;
    while (w < end) {
      const a = v128.load(w);
      const b = v128.load(w, 16);
      h0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, v128.load(x), h0);
      l0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, v128.load(x + stride), l0);
      h1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(b, v128.load(x, 16), h1);
      l1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(b, v128.load(x + stride, 16), l1);
      w += 32;
      x += 32;
    }
    if (pairs != stride) {
      const a = v128.load(w);
      h0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, v128.load(x), h0);
      l0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, v128.load(x + stride), l0);
      w += 16;
    }
    const v = result(joined(i32x4.add(h0, h1), i32x4.add(l0, l1)), sums, multipliers, r, s);
    store<i32>(out + (<usize>r << 2), v);
    or |= abs(v);
  }
  return or;
}

/** Splits tokens [t, t + tokens) for {@link relaxedTile}. */
export function relaxedSplit(map: usize, xs: usize, t: i32, tokens: i32): void {
  split(xs, t, tokens, <usize>field(map, 1));
}

/** The or of the second token of {@link relaxedTile}. */
export let secondOr: i32 = 0;

/** Rows [top, bottom) of the i-th and j-th token split, into ya and yb; gives the or of the first. */
export function relaxedTile(
  map: usize,
  i: i32,
  j: i32,
  ya: usize,
  yb: usize,
  sa: i32,
  sb: i32,
  top: i32,
  bottom: i32,
): i32 {
  const stride = <usize>field(map, 1);
  const multipliers = address(map, 3);
  const sums = address(map, 11);
  const xa = limbs + <usize>i * (stride << 1);
  const xb = limbs + <usize>j * (stride << 1);
  const last = bottom - 1;
  let oa = 0;
  let ob = 0;
  for (let r = top; r < bottom; r += 2) {
    const next = min(r + 1, last);
    let w = address(map, 0) + <usize>r * stride;
    const beside = <usize>(next - r) * stride;
    let ah0 = i32x4.splat(0);
    let al0 = i32x4.splat(0);
    let bh0 = i32x4.splat(0);
    let bl0 = i32x4.splat(0);
    let ah1 = i32x4.splat(0);
    let al1 = i32x4.splat(0);
    let bh1 = i32x4.splat(0);
    let bl1 = i32x4.splat(0);
    for (let k: usize = 0; k < stride; k += 16) {
      const w0 = v128.load(w);
      const w1 = v128.load(w + beside);
      let x = v128.load(xa + k);
      ah0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w0, x, ah0);
      ah1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w1, x, ah1);
      x = v128.load(xa + stride + k);
      al0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w0, x, al0);
      al1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w1, x, al1);
      x = v128.load(xb + k);
      bh0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w0, x, bh0);
      bh1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w1, x, bh1);
      x = v128.load(xb + stride + k);
      bl0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w0, x, bl0);
      bl1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(w1, x, bl1);
      w += 16;
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
  secondOr = ob;
  return oa;
}

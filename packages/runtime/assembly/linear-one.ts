/** One token by a matrix: bound by memory, so four rows far from each other are read side by side. */
import * as MAP from "../src/engine/layout/map";
import { relaxedOne } from "./linear-relaxed";
import { address, field, head, row, rowL1 } from "./memory";
import { FAST_L1, finish, shiftOf } from "./product";
import { halfOf, mulShift4, orLanes, sumLanes, sumRows4 } from "./vector";

/** Columns whose products always fit in 32 bits. */
const SAFE_COLUMNS: i32 = 2048;

/**
 * Rows up to this length are taken with their neighbours. Longer ones come from four quarters of the matrix: four streams, each in
 * pages of its own, keep more of memory busy than one, where four neighbours in one page would confuse the prefetcher.
 */
const SHORT: i32 = 512;

/** Σ w x of `columns` (rounded up to 16: the activation is zero there), modulo 2^32. */
@inline
function dot(w: usize, x: usize, columns: i32): i32 {
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  const end = w + <usize>columns;
  while (w < end) {
    a = i32x4.add(a, i32x4.dot_i16x8_s(v128.load8x8_s(w), v128.load(x)));
    b = i32x4.add(b, i32x4.dot_i16x8_s(v128.load8x8_s(w, 8), v128.load(x, 16)));
    w += 16;
    x += 32;
  }
  return sumLanes(i32x4.add(a, b));
}

/** The same in 64 bits. */
export function dotWide(w: usize, x: usize, columns: i32): i64 {
  let sum: i64 = 0;
  for (let k = 0; k < columns; k += SAFE_COLUMNS) {
    sum += dot(w + <usize>k, x + (<usize>k << 1), min(SAFE_COLUMNS, columns - k));
  }
  return sum;
}

/** Rows [from, to) of one token. */
export function multiplyOne(map: usize, xs: usize, t: i32, y: usize, from: i32, to: i32, part: i32): void {
  const l1 = rowL1(head(xs, t));
  const s = shiftOf(map, xs, t);
  const columns = field(map, MAP.columns);
  const x = row(xs, t, 2);
  const out = row(y, t, 4);
  let or = 0;
  if (ASC_FEATURE_RELAXED_SIMD && l1 <= FAST_L1 && columns > SHORT) {
    or = relaxedOne(map, xs, t, out, from, to, s);
  } else {
    const first = l1 <= FAST_L1 ? from + ((to - from) & ~3) : from;
    or = fourRows(map, x, out, from, first, s) | singleRows(map, x, out, first, to, s);
  }
  finish(map, xs, y, t, s, or, to, part);
}

/** Row by row, for any activation; gives the or. */
function singleRows(map: usize, x: usize, out: usize, from: i32, to: i32, s: i32): i32 {
  const half = ((<i64>1) << <i64>s) >> 1;
  const columns = field(map, MAP.columns);
  const stride = <usize>field(map, MAP.stride);
  let or = 0;
  for (let r = from; r < to; r++) {
    const at = <usize>r << 2;
    const sum = dotWide(address(map, MAP.data) + <usize>r * stride, x, columns);
    const v = <i32>((sum * <i64>load<i32>(address(map, MAP.multipliers) + at) + half) >> <i64>s);
    store<i32>(out + at, v);
    or |= abs(v);
  }
  return or;
}

/** Rows [from, to), a multiple of four, four at a time, with one horizontal sum and one rounding for the four; gives the or. */
function fourRows(map: usize, x: usize, out: usize, from: i32, to: i32, s: i32): i32 {
  const columns = field(map, MAP.columns);
  const stride = <usize>field(map, MAP.stride);
  const near = columns <= SHORT;
  const apart = near ? stride : <usize>((to - from) >> 2) * stride;
  const step = near ? stride << 2 : stride;
  // Bytes between their results: a quarter of the rows, an i32 each.
  const place = <usize>(to - from);
  const multipliers = address(map, MAP.multipliers);
  const half = halfOf(s);
  const end = x + (<usize>((columns + 15) & ~15) << 1);
  let or = i32x4.splat(0);
  let at = <usize>from << 2;
  let first = address(map, MAP.data) + <usize>from * stride;
  for (let n = (to - from) >> 2; n > 0; n--) {
    let w = first;
    let w1 = w + apart;
    let w2 = w1 + apart;
    let w3 = w2 + apart;
    let a = i32x4.splat(0);
    let b = i32x4.splat(0);
    let c = i32x4.splat(0);
    let d = i32x4.splat(0);
    for (let k = x; k < end; k += 32) {
      let v = v128.load(k);
      a = i32x4.add(a, i32x4.dot_i16x8_s(v128.load8x8_s(w), v));
      b = i32x4.add(b, i32x4.dot_i16x8_s(v128.load8x8_s(w1), v));
      c = i32x4.add(c, i32x4.dot_i16x8_s(v128.load8x8_s(w2), v));
      d = i32x4.add(d, i32x4.dot_i16x8_s(v128.load8x8_s(w3), v));
      v = v128.load(k, 16);
      a = i32x4.add(a, i32x4.dot_i16x8_s(v128.load8x8_s(w, 8), v));
      b = i32x4.add(b, i32x4.dot_i16x8_s(v128.load8x8_s(w1, 8), v));
      c = i32x4.add(c, i32x4.dot_i16x8_s(v128.load8x8_s(w2, 8), v));
      d = i32x4.add(d, i32x4.dot_i16x8_s(v128.load8x8_s(w3, 8), v));
      w += 16;
      w1 += 16;
      w2 += 16;
      w3 += 16;
    }
    const sums = sumRows4(a, b, c, d);
    if (near) {
      const y = mulShift4(sums, v128.load(multipliers + at), half, s);
      v128.store(out + at, y);
      or = v128.or(or, i32x4.abs(y));
      at += 16;
    } else {
      or = v128.or(or, i32x4.abs(scatter4(sums, multipliers + at, out + at, place, half, s)));
      at += 4;
    }
    first += step;
  }
  return orLanes(or);
}

/** Results of four rows whose multipliers and places lie `place` bytes apart. */
@inline
function scatter4(sums: v128, multipliers: usize, out: usize, place: usize, half: v128, s: i32): v128 {
  const second = multipliers + place;
  const third = second + place;
  let m = v128.load32_zero(multipliers);
  m = v128.load_lane<i32>(second, m, 1);
  m = v128.load_lane<i32>(third, m, 2);
  m = v128.load_lane<i32>(third + place, m, 3);
  const y = mulShift4(sums, m, half, s);
  v128.store_lane<i32>(out, y, 0);
  v128.store_lane<i32>(out + place, y, 1);
  v128.store_lane<i32>(out + 2 * place, y, 2);
  v128.store_lane<i32>(out + 3 * place, y, 3);
  return y;
}

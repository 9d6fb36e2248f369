/**
 * y = W x: int8 rows by 14-bit activations. The mirror of src/reference/linear.ts.
 *
 * A sum never passes 127 · l1, so where that fits in 32 bits (practically always) one pass of wrapping i32 lanes is exact;
 * else rows are summed in pieces of 2,048, which 127 · 8192 · 2048 < 2^31 allows, into 64 bits.
 */
import { bits64, roundShift } from "./integer";
import { address, field, head, row } from "./memory";
import { relaxedOne, relaxedSplit, relaxedTile, secondOr } from "./linear-relaxed";
import { halfOf, mulShift4, orLanes, sumLanes } from "./vector";

/** The largest l1 whose sums fit in 32 bits. */
const FAST_L1: i32 = 16909320; // floor((2^31 - 1) / 127)
/** Columns whose products always fit in 32 bits. */
const SAFE_COLUMNS: i32 = 2048;

/** Σ w x of `columns` (rounded up to 32: the activation is zero there), modulo 2^32. */
@inline
function dot(w: usize, x: usize, columns: i32): i32 {
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  let c = i32x4.splat(0);
  let d = i32x4.splat(0);
  const end = w + <usize>columns;
  while (w < end) {
    a = i32x4.add(a, i32x4.dot_i16x8_s(v128.load8x8_s(w), v128.load(x)));
    b = i32x4.add(b, i32x4.dot_i16x8_s(v128.load8x8_s(w, 8), v128.load(x, 16)));
    c = i32x4.add(c, i32x4.dot_i16x8_s(v128.load8x8_s(w, 16), v128.load(x, 32)));
    d = i32x4.add(d, i32x4.dot_i16x8_s(v128.load8x8_s(w, 24), v128.load(x, 48)));
    w += 32;
    x += 64;
  }
  return sumLanes(i32x4.add(i32x4.add(a, b), i32x4.add(c, d)));
}

/** The same in 64 bits. */
function dotWide(w: usize, x: usize, columns: i32): i64 {
  let sum: i64 = 0;
  for (let k = 0; k < columns; k += SAFE_COLUMNS) {
    sum += dot(w + <usize>k, x + (<usize>k << 1), min(SAFE_COLUMNS, columns - k));
  }
  return sum;
}

/** The right shift that makes every row's result fit in 30 bits. */
@inline
function resultShift(bound: i64, l1: i32, multiplierBits: i32): i32 {
  return max(0, bits64(bound * <i64>l1) + multiplierBits - 30);
}

/** y = W x for rows [from, to) of a map and all tokens; this part's or goes to its place in each head. */
export function linear(map: usize, x: usize, tokens: i32, y: usize, from: i32, to: i32, part: i32): void {
  if (address(map, 2) != 0) return linearTwoPlane(map, x, tokens, y, from, to, part);
  let t = 0;
  while (t < tokens) {
    const first = t;
    while (t < tokens && load<i32>(head(x, t), 4) <= FAST_L1) t++;
    const fast = t - first;
    if (fast == 1) multiplyOne(map, x, first, y, from, to, part);
    else if (fast > 1) multiplyMany(map, x, first, fast, y, from, to, part);
    for (; t < tokens && load<i32>(head(x, t), 4) > FAST_L1; t++) multiplyOne(map, x, t, y, from, to, part);
  }
}

/** Writes the head of a result, and zeroes the row's padding where this part has its last rows. */
@inline
function finish(map: usize, x: usize, y: usize, t: i32, s: i32, or: i32, to: i32, part: i32): void {
  const out = head(y, t);
  store<i32>(out, load<i32>(head(x, t)) + field(map, 5) + s);
  store<i32>(out + (<usize>part << 2), or, 4);
  if (to == field(map, 6)) {
    const end = row(y, t, 4) + (<usize>to << 2);
    memory.fill(end, 0, (<usize>((to + 7) & ~7) - <usize>to) << 2);
  }
}

/** One token. */
function multiplyOne(map: usize, xs: usize, t: i32, y: usize, from: i32, to: i32, part: i32): void {
  const l1 = load<i32>(head(xs, t), 4);
  const s = resultShift(127, l1, field(map, 4));
  const half = ((<i64>1) << <i64>s) >> 1;
  const columns = field(map, 7);
  const stride = <usize>field(map, 1);
  const multipliers = address(map, 3);
  const x = row(xs, t, 2);
  const out = row(y, t, 4);
  let w = address(map, 0) + <usize>from * stride;
  let or = 0;
  if (ASC_FEATURE_RELAXED_SIMD && l1 <= FAST_L1 && columns > SHORT) {
    or = relaxedOne(map, xs, t, out, from, to, s);
  } else if (l1 <= FAST_L1) {
    let first = from;
    if (columns <= SHORT) {
      first = from + ((to - from) & ~3);
      or = shortRows(w, stride, x, columns, multipliers, out, from, first, s);
      w += <usize>(first - from) * stride;
    }
    for (let r = first; r < to; r++) {
      const at = <usize>r << 2;
      const v = <i32>((<i64>dot(w, x, columns) * <i64>load<i32>(multipliers + at) + half) >> <i64>s);
      store<i32>(out + at, v);
      or |= abs(v);
      w += stride;
    }
  } else {
    for (let r = from; r < to; r++) {
      const at = <usize>r << 2;
      const v = <i32>((dotWide(w, x, columns) * <i64>load<i32>(multipliers + at) + half) >> <i64>s);
      store<i32>(out + at, v);
      or |= abs(v);
      w += stride;
    }
  }
  finish(map, xs, y, t, s, or, to, part);
}

/** Rows up to this length are taken four at a time: longer ones would be four streams, which memory serves at half the speed. */
const SHORT: i32 = 512;

/** Four rows at a time of one token, with one horizontal sum and one rounding for the four; gives the or. */
function shortRows(
  rows: usize,
  stride: usize,
  x: usize,
  columns: i32,
  multipliers: usize,
  out: usize,
  from: i32,
  to: i32,
  s: i32,
): i32 {
  const half = halfOf(s);
  const end = <usize>((columns + 15) & ~15);
  let or = i32x4.splat(0);
  let w = rows;
  for (let r = from; r < to; r += 4) {
    const w1 = w + stride;
    const w2 = w1 + stride;
    const w3 = w2 + stride;
    let a = i32x4.splat(0);
    let b = i32x4.splat(0);
    let c = i32x4.splat(0);
    let d = i32x4.splat(0);
    for (let k: usize = 0; k < end; k += 16) {
      let v = v128.load(x + (k << 1));
      a = i32x4.add(a, i32x4.dot_i16x8_s(v128.load8x8_s(w + k), v));
      b = i32x4.add(b, i32x4.dot_i16x8_s(v128.load8x8_s(w1 + k), v));
      c = i32x4.add(c, i32x4.dot_i16x8_s(v128.load8x8_s(w2 + k), v));
      d = i32x4.add(d, i32x4.dot_i16x8_s(v128.load8x8_s(w3 + k), v));
      v = v128.load(x + (k << 1), 16);
      a = i32x4.add(a, i32x4.dot_i16x8_s(v128.load8x8_s(w + k, 8), v));
      b = i32x4.add(b, i32x4.dot_i16x8_s(v128.load8x8_s(w1 + k, 8), v));
      c = i32x4.add(c, i32x4.dot_i16x8_s(v128.load8x8_s(w2 + k, 8), v));
      d = i32x4.add(d, i32x4.dot_i16x8_s(v128.load8x8_s(w3 + k, 8), v));
    }
    // Columns of the 4 x 4 of partial sums, added.
    const ab = i32x4.add(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
    const cd = i32x4.add(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
    const sums = i32x4.add(i32x4.shuffle(ab, cd, 0, 1, 4, 5), i32x4.shuffle(ab, cd, 2, 3, 6, 7));
    const at = <usize>r << 2;
    const y = mulShift4(sums, v128.load(multipliers + at), half, s);
    v128.store(out + at, y);
    or = v128.or(or, i32x4.abs(y));
    w = w3 + stride;
  }
  return orLanes(or);
}

/** Bytes of weights that stay in the first-level cache while four tokens pass. */
const PANEL: i32 = 16384;

/**
 * Several tokens that {@link FAST_L1} allows: a panel of rows at a time, four tokens at a time, two rows at a time. Eight sums
 * stay in registers; a ninth would not. Where tokens are not a multiple of four the last ones are done again with their
 * neighbours (fewer than four: with themselves).
 */
function multiplyMany(map: usize, xs: usize, t: i32, tokens: i32, y: usize, from: i32, to: i32, part: i32): void {
  const columns = field(map, 7);
  const stride = <usize>field(map, 1);
  const panel = max(2, min(64, PANEL / columns) & ~1);
  for (let i = 0; i < tokens; i++) clearHead(map, xs, y, t + i, to, part);
  if (ASC_FEATURE_RELAXED_SIMD) relaxedSplit(map, xs, t, tokens);
  for (let top = from; top < to; top += panel) {
    const bottom = min(to, top + panel);
    if (ASC_FEATURE_RELAXED_SIMD) {
      for (let i = 0; i < tokens; i += 2) {
        const j = min(i + 1, tokens - 1);
        const sa = shiftOf(map, xs, t + i);
        const sb = shiftOf(map, xs, t + j);
        addOr(y, t + i, relaxedTile(map, i, j, row(y, t + i, 4), row(y, t + j, 4), sa, sb, top, bottom), part);
        addOr(y, t + j, secondOr, part);
      }
      continue;
    }
    for (let i = 0; i < tokens; i += 4) {
      const a = t + i;
      const b = t + min(i + 1, tokens - 1);
      const c = t + min(i + 2, tokens - 1);
      const d = t + min(i + 3, tokens - 1);
      tile(map, xs, y, a, b, c, d, columns, stride, top, bottom, part);
    }
  }
}

/** The head of a result before its rows are known. */
@inline
function clearHead(map: usize, x: usize, y: usize, t: i32, to: i32, part: i32): void {
  finish(map, x, y, t, shiftOf(map, x, t), 0, to, part);
}

/** A token's shift by this map. */
@inline
function shiftOf(map: usize, x: usize, t: i32): i32 {
  return resultShift(127, load<i32>(head(x, t), 4), field(map, 4));
}

/** Rows [top, bottom) of four tokens. */
function tile(
  map: usize,
  xs: usize,
  y: usize,
  a: i32,
  b: i32,
  c: i32,
  d: i32,
  columns: i32,
  stride: usize,
  top: i32,
  bottom: i32,
  part: i32,
): void {
  const xa = row(xs, a, 2);
  const xb = row(xs, b, 2);
  const xc = row(xs, c, 2);
  const xd = row(xs, d, 2);
  const ya = row(y, a, 4);
  const yb = row(y, b, 4);
  const yc = row(y, c, 4);
  const yd = row(y, d, 4);
  const sa = <i64>shiftOf(map, xs, a);
  const sb = <i64>shiftOf(map, xs, b);
  const sc = <i64>shiftOf(map, xs, c);
  const sd = <i64>shiftOf(map, xs, d);
  const multipliers = address(map, 3);
  let oa = 0;
  let ob = 0;
  let oc = 0;
  let od = 0;
  // An odd last row is done twice: the second of the pair is the row itself.
  for (let r = top; r < bottom; r += 2) {
    const next = min(r + 1, bottom - 1);
    let w = address(map, 0) + <usize>r * stride;
    const beside = <usize>(next - r) * stride;
    let a0 = i32x4.splat(0);
    let b0 = i32x4.splat(0);
    let c0 = i32x4.splat(0);
    let d0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let b1 = i32x4.splat(0);
    let c1 = i32x4.splat(0);
    let d1 = i32x4.splat(0);
    // Rows are padded to 16 columns, and activations to more.
    const end = <usize>((columns + 15) & ~15) << 1;
    for (let k: usize = 0; k < end; k += 32) {
      let w0 = v128.load8x8_s(w);
      let w1 = v128.load8x8_s(w + beside);
      let x = v128.load(xa + k);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(w0, x));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(w1, x));
      x = v128.load(xb + k);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(w0, x));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(w1, x));
      x = v128.load(xc + k);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(w0, x));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(w1, x));
      x = v128.load(xd + k);
      d0 = i32x4.add(d0, i32x4.dot_i16x8_s(w0, x));
      d1 = i32x4.add(d1, i32x4.dot_i16x8_s(w1, x));
      w0 = v128.load8x8_s(w, 8);
      w1 = v128.load8x8_s(w + beside, 8);
      x = v128.load(xa + k, 16);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(w0, x));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(w1, x));
      x = v128.load(xb + k, 16);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(w0, x));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(w1, x));
      x = v128.load(xc + k, 16);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(w0, x));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(w1, x));
      x = v128.load(xd + k, 16);
      d0 = i32x4.add(d0, i32x4.dot_i16x8_s(w0, x));
      d1 = i32x4.add(d1, i32x4.dot_i16x8_s(w1, x));
      w += 16;
    }
    const m0 = <i64>load<i32>(multipliers + (<usize>r << 2));
    const m1 = <i64>load<i32>(multipliers + (<usize>next << 2));
    oa |= put(ya, r, next, sumLanes(a0), sumLanes(a1), m0, m1, sa);
    ob |= put(yb, r, next, sumLanes(b0), sumLanes(b1), m0, m1, sb);
    oc |= put(yc, r, next, sumLanes(c0), sumLanes(c1), m0, m1, sc);
    od |= put(yd, r, next, sumLanes(d0), sumLanes(d1), m0, m1, sd);
  }
  addOr(y, a, oa, part);
  addOr(y, b, ob, part);
  addOr(y, c, oc, part);
  addOr(y, d, od, part);
}

/** Two results of one token; gives the or of their sizes. */
@inline
function put(y: usize, r: i32, next: i32, sum0: i32, sum1: i32, m0: i64, m1: i64, s: i64): i32 {
  const half = ((<i64>1) << s) >> 1;
  const v0 = <i32>((<i64>sum0 * m0 + half) >> s);
  const v1 = <i32>((<i64>sum1 * m1 + half) >> s);
  store<i32>(y + (<usize>r << 2), v0);
  store<i32>(y + (<usize>next << 2), v1);
  return abs(v0) | abs(v1);
}

@inline
function addOr(y: usize, t: i32, or: i32, part: i32): void {
  const at = head(y, t) + (<usize>part << 2);
  store<i32>(at, load<i32>(at, 4) | or, 4);
}

/** Σ (254 hi + lo) x; the product with the multiplier may pass 63 bits, so it is rounded in two steps of one floor. */
function linearTwoPlane(map: usize, xs: usize, tokens: i32, y: usize, from: i32, to: i32, part: i32): void {
  const columns = field(map, 7);
  const stride = <usize>field(map, 1);
  for (let t = 0; t < tokens; t++) {
    const s = resultShift(32385, load<i32>(head(xs, t), 4), field(map, 4));
    const x = row(xs, t, 2);
    let or = 0;
    for (let r = from; r < to; r++) {
      const at = <usize>r * stride;
      const sum = 254 * dotWide(address(map, 0) + at, x, columns) + dotWide(address(map, 2) + at, x, columns);
      const v = <i32>mulShiftWide(sum, load<i32>(address(map, 3) + (<usize>r << 2)), s);
      store<i32>(row(y, t, 4) + (<usize>r << 2), v);
      or |= abs(v);
    }
    finish(map, xs, y, t, s, or, to, part);
  }
}

/** round(a · b / 2^s) for |a| < 2^46, 0 <= b < 2^26. */
function mulShiftWide(a: i64, b: i64, s: i32): i64 {
  if (s < 26) return roundShift(a * b, s); // the result has 30 bits, so the product has 56
  const high = (a >> 26) * b;
  const low = (a & 0x3ffffff) * b + (((<i64>1) << <i64>s) >> 1);
  return (high + (low >> 26)) >> <i64>(s - 26);
}

/** Rows of the embedding, for the ids of this part's tokens. */
export function embed(map: usize, ids: usize, tokens: i32, y: usize, part: i32, parts: i32): void {
  const columns = field(map, 7);
  const padded = (columns + 7) & ~7;
  const exponent = field(map, 5) + 2;
  for (let t = part; t < tokens; t += parts) {
    const id = <usize>load<u32>(ids + (<usize>t << 2));
    const w = address(map, 0) + id * <usize>field(map, 1);
    const multiplier = i32x4.splat(load<i32>(address(map, 3) + (id << 2)));
    const two = i32x4.splat(2);
    const out = row(y, t, 4);
    let or = i32x4.splat(0);
    // Strides are multiples of 16 and zero beyond the columns.
    for (let c: usize = 0; c < <usize>padded; c += 8) {
      const v = v128.load8x8_s(w + c);
      const low = i32x4.shr_s(i32x4.add(i32x4.mul(i32x4.extend_low_i16x8_s(v), multiplier), two), 2);
      const high = i32x4.shr_s(i32x4.add(i32x4.mul(i32x4.extend_high_i16x8_s(v), multiplier), two), 2);
      v128.store(out + (c << 2), low);
      v128.store(out + (c << 2), high, 16);
      or = v128.or(or, v128.or(i32x4.abs(low), i32x4.abs(high)));
    }
    const h = head(y, t);
    store<i32>(h, exponent);
    store<i32>(h, i32x4.extract_lane(or, 0) | i32x4.extract_lane(or, 1) | i32x4.extract_lane(or, 2) | i32x4.extract_lane(or, 3), 4);
    for (let p = 1; p < 15; p++) store<i32>(h + (<usize>p << 2), 0, 4);
  }
}

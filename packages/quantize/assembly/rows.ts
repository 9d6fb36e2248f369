/**
 * Per-row symmetric INT8 (seed 001 §5): scale = max|w| / 127, q = round(w / scale), ties to even. What `rows.ts` says in words is done
 * here, sixteen weights at a time; every step is one IEEE operation in a fixed order, so no engine gives another result.
 *
 * A row is walked twice: for its largest magnitude, while 16-bit floats are widened to f32, and for its integers.
 */

/** Types of stored weights, as `rows-kernel.ts` numbers them. */
const F32: u32 = 0;
const BF16: u32 = 1;

const INFINITY_BITS: u32 = 0x7f800000;
/** The smallest normal f32. */
const SMALLEST_NORMAL: f32 = reinterpret<f32>(0x00800000);
/** See OUTLIER in rows.ts. */
const OUTLIER: f64 = 16;
/** 1.5 · 2^23: x + ROUND has no fractional bits for |x| < 2^22, so the sum is rounded to an integer, ties to even. */
const ROUND: f32 = 12582912;
const ROUND_BITS: i32 = 0x4b400000;
/** What widens a half whose exponent was moved, unchanged, to where f32 has its own: the difference of the two biases. */
const HALF_BIAS: f32 = reinterpret<f32>(0x77800000);
/** Columns between two sums in f64: the f32 sums stay exact to about 2^-14, and those of integers do not overflow. */
const SEGMENT: u32 = 4096;

/**
 * Quantizes `rows` rows of `columns` weights at `input` to int8 at `out` and scales at `scales`, and adds to the sums at `sums`: f64
 * largest error, f64 sum of squared errors, u32 outlier rows. `scratch` has room for one row in f32. Gives -1, or the index of the
 * first row with a value that is not finite.
 */
export function quantizeRows(
  type: u32,
  input: usize,
  rows: u32,
  columns: u32,
  scratch: usize,
  out: usize,
  scales: usize,
  sums: usize,
): i32 {
  const stride = <usize>columns << (type === F32 ? 2 : 1);
  for (let row: u32 = 0; row < rows; row++) {
    const bits =
      type === F32
        ? largestBits(input, columns)
        : type === BF16
          ? widenBrain(input, columns, scratch)
          : widenHalf(input, columns, scratch);
    if (bits >= INFINITY_BITS) return row;
    const values = type === F32 ? input : scratch;
    let scale: f32 = reinterpret<f32>(bits) / 127;
    if (scale < SMALLEST_NORMAL) scale = 0;
    store<f32>(scales + (row << 2), scale);
    if (scale === 0) flushRow(values, out, columns, sums);
    else roundRow(values, out, columns, scale, sums);
    input += stride;
    out += columns;
  }
  return -1;
}

/** Magnitudes compare as their bits do, and NaN is above infinity. */
function largestBits(values: usize, columns: u32): u32 {
  const magnitude = i32x4.splat(0x7fffffff);
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  let c = i32x4.splat(0);
  let d = i32x4.splat(0);
  let i: u32 = 0;
  for (; i + 16 <= columns; i += 16) {
    const at = values + (<usize>i << 2);
    a = i32x4.max_u(a, v128.and(v128.load(at), magnitude));
    b = i32x4.max_u(b, v128.and(v128.load(at, 16), magnitude));
    c = i32x4.max_u(c, v128.and(v128.load(at, 32), magnitude));
    d = i32x4.max_u(d, v128.and(v128.load(at, 48), magnitude));
  }
  a = i32x4.max_u(i32x4.max_u(a, b), i32x4.max_u(c, d));
  let largest: u32 = max<u32>(
    max<u32>(i32x4.extract_lane(a, 0), i32x4.extract_lane(a, 1)),
    max<u32>(i32x4.extract_lane(a, 2), i32x4.extract_lane(a, 3)),
  );
  for (; i < columns; i++) largest = max<u32>(largest, load<u32>(values + (<usize>i << 2)) & 0x7fffffff);
  return largest;
}

/** bfloat16 is the upper half of f32. */
function widenBrain(input: usize, columns: u32, to: usize): u32 {
  const magnitude = i16x8.splat(0x7fff);
  let most = i16x8.splat(0);
  let i: u32 = 0;
  for (; i + 8 <= columns; i += 8) {
    const x = v128.load(input + (<usize>i << 1));
    const at = to + (<usize>i << 2);
    most = i16x8.max_u(most, v128.and(x, magnitude));
    v128.store(at, i32x4.shl(i32x4.extend_low_i16x8_u(x), 16));
    v128.store(at, i32x4.shl(i32x4.extend_high_i16x8_u(x), 16), 16);
  }
  let largest = largestLane(most);
  for (; i < columns; i++) {
    const x = <u32>load<u16>(input + (<usize>i << 1));
    largest = max<u32>(largest, x & 0x7fff);
    store<u32>(to + (<usize>i << 2), x << 16);
  }
  return largest << 16;
}

/** IEEE binary16: exponent and fraction in place, then times the difference of the biases, which is exact, also for subnormals. */
function widenHalf(input: usize, columns: u32, to: usize): u32 {
  const magnitude = i16x8.splat(0x7fff);
  const bias = f32x4.splat(HALF_BIAS);
  const body = i32x4.splat(0x7fff);
  const sign = i32x4.splat(0x8000);
  let most = i16x8.splat(0);
  let i: u32 = 0;
  for (; i + 8 <= columns; i += 8) {
    const x = v128.load(input + (<usize>i << 1));
    const at = to + (<usize>i << 2);
    most = i16x8.max_u(most, v128.and(x, magnitude));
    const low = i32x4.extend_low_i16x8_u(x);
    const high = i32x4.extend_high_i16x8_u(x);
    const a = f32x4.mul(i32x4.shl(v128.and(low, body), 13), bias);
    const b = f32x4.mul(i32x4.shl(v128.and(high, body), 13), bias);
    v128.store(at, v128.or(a, i32x4.shl(v128.and(low, sign), 16)));
    v128.store(at, v128.or(b, i32x4.shl(v128.and(high, sign), 16)), 16);
  }
  let largest = largestLane(most);
  for (; i < columns; i++) {
    const x = <u32>load<u16>(input + (<usize>i << 1));
    largest = max<u32>(largest, x & 0x7fff);
    store<u32>(to + (<usize>i << 2), reinterpret<u32>(halfOf(x & 0x7fff)) | ((x & 0x8000) << 16));
  }
  return largest >= 0x7c00 ? INFINITY_BITS : reinterpret<u32>(halfOf(largest));
}

/** A half without its sign. */
function halfOf(magnitude: u32): f32 {
  return reinterpret<f32>(magnitude << 13) * HALF_BIAS;
}

function largestLane(lanes: v128): u32 {
  let most = i16x8.max_u(lanes, v128.shuffle<u16>(lanes, lanes, 4, 5, 6, 7, 0, 1, 2, 3));
  most = i16x8.max_u(most, v128.shuffle<u16>(most, most, 2, 3, 0, 1, 4, 5, 6, 7));
  return max<u32>(<u32>i16x8.extract_lane_u(most, 0), <u32>i16x8.extract_lane_u(most, 1));
}

/**
 * r = w / scale, q = r rounded, and the error is scale · (r - q), of which r - q is exact. Statistics are in steps of the scale, so that
 * they take one operation where sums over w would take three in f64.
 */
function roundRow(values: usize, out: usize, columns: u32, scale: f32, sums: usize): void {
  const scales = f32x4.splat(scale);
  const round = f32x4.splat(ROUND);
  const roundBits = i32x4.splat(ROUND_BITS);
  let most = f32x4.splat(0);
  let squaredError: f64 = 0;
  let squared: f64 = 0;
  let largest: f32 = 0;
  for (let from: u32 = 0; from < columns; from += SEGMENT) {
    const to = min<u32>(columns, from + SEGMENT);
    let errors0 = f32x4.splat(0);
    let errors1 = f32x4.splat(0);
    let squares = i32x4.splat(0);
    let i = from;
    for (; i + 16 <= to; i += 16) {
      const at = values + (<usize>i << 2);
      const r0 = f32x4.div(v128.load(at), scales);
      const r1 = f32x4.div(v128.load(at, 16), scales);
      const r2 = f32x4.div(v128.load(at, 32), scales);
      const r3 = f32x4.div(v128.load(at, 48), scales);
      const t0 = f32x4.add(r0, round);
      const t1 = f32x4.add(r1, round);
      const t2 = f32x4.add(r2, round);
      const t3 = f32x4.add(r3, round);
      const q01 = i16x8.narrow_i32x4_s(i32x4.sub(t0, roundBits), i32x4.sub(t1, roundBits));
      const q23 = i16x8.narrow_i32x4_s(i32x4.sub(t2, roundBits), i32x4.sub(t3, roundBits));
      v128.store(out + i, i8x16.narrow_i16x8_s(q01, q23));
      squares = i32x4.add(squares, i32x4.add(i32x4.dot_i16x8_s(q01, q01), i32x4.dot_i16x8_s(q23, q23)));
      const d0 = f32x4.sub(r0, f32x4.nearest(r0));
      const d1 = f32x4.sub(r1, f32x4.nearest(r1));
      const d2 = f32x4.sub(r2, f32x4.nearest(r2));
      const d3 = f32x4.sub(r3, f32x4.nearest(r3));
      const e0 = f32x4.mul(d0, d0);
      const e1 = f32x4.mul(d1, d1);
      const e2 = f32x4.mul(d2, d2);
      const e3 = f32x4.mul(d3, d3);
      most = f32x4.pmax(most, f32x4.pmax(f32x4.pmax(e0, e1), f32x4.pmax(e2, e3)));
      errors0 = f32x4.add(errors0, f32x4.add(e0, e1));
      errors1 = f32x4.add(errors1, f32x4.add(e2, e3));
    }
    squaredError += sumOf(f32x4.add(errors0, errors1));
    squared +=
      <f64>(<u32>i32x4.extract_lane(squares, 0)) +
      <f64>(<u32>i32x4.extract_lane(squares, 1)) +
      <f64>(<u32>i32x4.extract_lane(squares, 2)) +
      <f64>(<u32>i32x4.extract_lane(squares, 3));
    for (; i < to; i++) {
      const r = load<f32>(values + (<usize>i << 2)) / scale;
      const q = nearest<f32>(r);
      store<i8>(out + i, <i8>(<i32>q));
      const e = (r - q) * (r - q);
      largest = max<f32>(largest, e);
      squaredError += <f64>e;
      squared += <f64>q * <f64>q;
    }
  }
  largest = max<f32>(largest, max<f32>(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)));
  largest = max<f32>(largest, max<f32>(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)));
  const isOutlier = 127 * 127 * <f64>columns > OUTLIER * OUTLIER * squared;
  addSums(sums, <f64>scale * sqrt<f64>(<f64>largest), <f64>scale * <f64>scale * squaredError, isOutlier ? 1 : 0);
}

function sumOf(lanes: v128): f64 {
  return (
    <f64>f32x4.extract_lane(lanes, 0) +
    <f64>f32x4.extract_lane(lanes, 1) +
    <f64>f32x4.extract_lane(lanes, 2) +
    <f64>f32x4.extract_lane(lanes, 3)
  );
}

/** A row of zeros, or of values so small that their scale would be subnormal. */
function flushRow(values: usize, out: usize, columns: u32, sums: usize): void {
  let maxError: f64 = 0;
  let squaredError: f64 = 0;
  for (let i: u32 = 0; i < columns; i++) {
    const w = <f64>load<f32>(values + (<usize>i << 2));
    maxError = max<f64>(maxError, abs<f64>(w));
    squaredError += w * w;
  }
  memory.fill(out, 0, columns);
  addSums(sums, maxError, squaredError, 0);
}

function addSums(sums: usize, maxError: f64, squaredError: f64, outliers: u32): void {
  store<f64>(sums, max<f64>(load<f64>(sums), maxError));
  store<f64>(sums + 8, load<f64>(sums + 8) + squaredError);
  store<u32>(sums + 16, load<u32>(sums + 16) + outliers);
}

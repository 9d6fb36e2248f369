/**
 * Per-row symmetric INT8 (seed 001 §5), four weights at a time: scale = max|w| / 127, q = round(w / scale), ties to even. What
 * `rows.ts` says in words is done here; every step is one IEEE operation, so no engine gives another integer.
 */

const INFINITY_BITS: u32 = 0x7f800000;
/** The smallest normal f32. */
const SMALLEST_NORMAL: f32 = reinterpret<f32>(0x00800000);
/** See OUTLIER in rows.ts. */
const OUTLIER: f64 = 16;

/**
 * Quantizes `rows` rows of `columns` f32 at `values` to int8 at `out` and scales at `scales`, and adds to the sums at `sums`: f64 largest
 * error, f64 sum of squared errors, u32 outlier rows. Gives -1, or the index of the first row with a value that is not finite.
 */
export function quantizeRows(values: usize, rows: u32, columns: u32, out: usize, scales: usize, sums: usize): i32 {
  for (let row: u32 = 0; row < rows; row++) {
    const bits = largestBits(values, columns);
    if (bits >= INFINITY_BITS) return row;
    const largest = reinterpret<f32>(bits);
    let scale: f32 = largest / 127;
    if (scale < SMALLEST_NORMAL) scale = 0;
    store<f32>(scales + (row << 2), scale);
    if (scale == 0) flushRow(values, out, columns, sums);
    else roundRow(values, out, columns, scale, largest, sums);
    values += <usize>columns << 2;
    out += columns;
  }
  return -1;
}

/** Magnitudes compare as their bits do, and NaN is above infinity. */
function largestBits(values: usize, columns: u32): u32 {
  const magnitude = i32x4.splat(0x7fffffff);
  let most = i32x4.splat(0);
  let i: u32 = 0;
  for (; i + 4 <= columns; i += 4) {
    most = i32x4.max_u(most, v128.and(v128.load(values + (<usize>i << 2)), magnitude));
  }
  let largest: u32 = max<u32>(
    max<u32>(i32x4.extract_lane(most, 0), i32x4.extract_lane(most, 1)),
    max<u32>(i32x4.extract_lane(most, 2), i32x4.extract_lane(most, 3)),
  );
  for (; i < columns; i++) largest = max<u32>(largest, load<u32>(values + (<usize>i << 2)) & 0x7fffffff);
  return largest;
}

function roundRow(values: usize, out: usize, columns: u32, scale: f32, largest: f32, sums: usize): void {
  const scales = f32x4.splat(scale);
  const scales64 = f64x2.splat(<f64>scale);
  let errors = f64x2.splat(0);
  let squares = f64x2.splat(0);
  let most = f64x2.splat(0);
  let i: u32 = 0;
  for (; i + 4 <= columns; i += 4) {
    const w = v128.load(values + (<usize>i << 2));
    const q = f32x4.nearest(f32x4.div(w, scales));
    const q32 = i32x4.trunc_sat_f32x4_s(q);
    const q16 = i16x8.narrow_i32x4_s(q32, q32);
    v128.store_lane<u32>(out + i, i8x16.narrow_i16x8_s(q16, q16), 0);

    const w01 = f64x2.promote_low_f32x4(w);
    const e01 = f64x2.sub(w01, f64x2.mul(scales64, f64x2.promote_low_f32x4(q)));
    const w23 = f64x2.promote_low_f32x4(v128.shuffle<f32>(w, w, 2, 3, 2, 3));
    const e23 = f64x2.sub(w23, f64x2.mul(scales64, f64x2.promote_low_f32x4(v128.shuffle<f32>(q, q, 2, 3, 2, 3))));
    most = f64x2.pmax(most, f64x2.pmax(f64x2.abs(e01), f64x2.abs(e23)));
    errors = f64x2.add(errors, f64x2.add(f64x2.mul(e01, e01), f64x2.mul(e23, e23)));
    squares = f64x2.add(squares, f64x2.add(f64x2.mul(w01, w01), f64x2.mul(w23, w23)));
  }
  let maxError = max<f64>(f64x2.extract_lane(most, 0), f64x2.extract_lane(most, 1));
  let squaredError = f64x2.extract_lane(errors, 0) + f64x2.extract_lane(errors, 1);
  let squared = f64x2.extract_lane(squares, 0) + f64x2.extract_lane(squares, 1);
  for (; i < columns; i++) {
    const w = load<f32>(values + (<usize>i << 2));
    const q = nearest<f32>(w / scale);
    store<i8>(out + i, <i8>(<i32>q));
    const error = <f64>w - <f64>scale * <f64>q;
    maxError = max<f64>(maxError, abs<f64>(error));
    squaredError += error * error;
    squared += <f64>w * <f64>w;
  }
  const isOutlier = <f64>largest * <f64>largest * <f64>columns > OUTLIER * OUTLIER * squared;
  addSums(sums, maxError, squaredError, isOutlier ? 1 : 0);
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

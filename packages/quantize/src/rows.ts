/**
 * Per-row symmetric INT8 (seed 001 §5): scale = max|w| / 127, q = round(w / scale), ties to even.
 *
 * Every operation is one IEEE division, product, sum or rounding to f32, which are the same on every engine. Dividing f32
 * values in f64 and rounding to f32 is the f32 division (53 >= 2 · 24 + 2 bits), so NumPy in float32 gives the same integers.
 */

import { bytesOfFloat, decodeFloats, type StoredFloat } from "./checkpoint/stored-float.ts";
import { QuantizeError } from "./errors.ts";
import type { KernelRows, RowsKernel } from "./rows-kernel.ts";

/** x + ROUND - ROUND rounds |x| < 2^51 to the nearest integer, ties to even: 1.5 · 2^52 leaves no fractional bits. */
const ROUND = 6755399441055744;
const INFINITY_BITS = 0x7f800000;
/** Bits of the smallest normal f32; a scale below it is flushed to zero with its row. */
const SMALLEST_NORMAL = 2 ** -126;
/** A row whose largest weight is above this many times its root mean square leaves few of the 127 steps to the others. */
const OUTLIER = 16;

/** What rounding did to a tensor so far. */
export interface RowStatistics {
  rows: number;
  elements: number;
  /** Largest |w - scale · q|, as scale · |r - q| with r = w / scale in f32: to a hundred-thousandth of a step. */
  maxError: number;
  /** Σ (w - scale · q)², the same way. */
  squaredError: number;
  /** Rows whose largest weight is above 16 times their root mean square. */
  outlierRows: number;
}

export const startStatistics = (): RowStatistics => ({
  rows: 0,
  elements: 0,
  maxError: 0,
  squaredError: 0,
  outlierRows: 0,
});

/** Rows as stored, in one of a kernel's areas. */
export interface StoredRows {
  readonly type: StoredFloat;
  readonly raw: Uint8Array<ArrayBuffer>;
  readonly area: 0 | 1;
  /** Integers that the kernel made before and that are still needed. */
  readonly behind?: number;
}

/**
 * Quantizes whole rows to one plane, adding to `statistics`; `name` is the tensor's, for errors. What it gives are views of the kernel's
 * memory. Throws QuantizeError `value` with the index of the first NaN or infinity.
 */
export function quantizeRows(
  kernel: RowsKernel,
  { type, raw, area, behind }: StoredRows,
  columns: number,
  name: string,
  statistics: RowStatistics,
): KernelRows {
  const stride = columns * bytesOfFloat(type);
  const rows = raw.length / stride;
  const result = kernel.quantize(area, rows, behind);
  if (typeof result === "number") {
    const bad = decodeFloats(type, raw.subarray(result * stride, (result + 1) * stride));
    return refuseNotFinite(bad, 0, columns, statistics.rows + result, name);
  }
  statistics.maxError = Math.max(statistics.maxError, result.maxError);
  statistics.squaredError += result.squaredError;
  statistics.outlierRows += result.outlierRows;
  statistics.rows += rows;
  statistics.elements += rows * columns;
  return result;
}

/** Rows as two planes of int8 and a scale each. */
export interface TwoPlanes {
  readonly high: Int8Array;
  readonly low: Int8Array;
  readonly scales: Float32Array;
}

/**
 * The same to two planes: w ≈ scale / 254 · (254 · high + low), where low = round((w - scale · high) · 254 / scale), 16 bits in all.
 * They are for routers, which are small.
 */
export function quantizeRowsTwice(
  values: Float32Array,
  columns: number,
  name: string,
  statistics: RowStatistics,
): TwoPlanes {
  const rows = values.length / columns;
  const high = new Int8Array(values.length);
  const low = new Int8Array(values.length);
  const scales = new Float32Array(rows);
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    const end = start + columns;
    const largest = largestMagnitude(bits, start, end);
    if (largest === undefined) refuseNotFinite(values, start, columns, statistics.rows + row, name);
    const quotient = Math.fround(largest / 127);
    const scale = quotient < SMALLEST_NORMAL ? 0 : quotient;
    scales[row] = scale;
    if (scale === 0) flushRow(values, start, end, statistics);
    else roundRowTwice(values, high, low, start, end, scale, largest, statistics);
  }
  statistics.rows += rows;
  statistics.elements += values.length;
  return { high, low, scales };
}

const magnitude = new Float32Array(1);
const magnitudeBits = new Int32Array(magnitude.buffer);

/** max|w|, or undefined where a value is not finite. Magnitudes compare as their bits do, and NaN is above infinity. */
function largestMagnitude(bits: Int32Array, start: number, end: number): number | undefined {
  let largest = 0;
  for (let i = start; i < end; i++) {
    const m = (bits[i] ?? 0) & 0x7fffffff;
    if (m > largest) largest = m;
  }
  if (largest >= INFINITY_BITS) return undefined;
  magnitudeBits[0] = largest;
  return magnitude[0] ?? 0;
}

function roundRowTwice(
  values: Float32Array,
  high: Int8Array,
  low: Int8Array,
  start: number,
  end: number,
  scale: number,
  largest: number,
  statistics: RowStatistics,
): void {
  let squares = 0;
  for (let i = start; i < end; i++) {
    const w = values[i] ?? 0;
    const first = Math.fround(w / scale) + ROUND - ROUND;
    const rest = w - scale * first;
    const second = (rest * 254) / scale + ROUND - ROUND;
    high[i] = first;
    low[i] = second;
    const error = rest - (scale / 254) * second;
    statistics.maxError = Math.max(statistics.maxError, Math.abs(error));
    statistics.squaredError += error * error;
    squares += w * w;
  }
  if (isOutlier(largest, squares, end - start)) statistics.outlierRows++;
}

const isOutlier = (largest: number, squares: number, columns: number): boolean =>
  largest * largest * columns > OUTLIER * OUTLIER * squares;

/** A row of zeros, or of values so small that their scale would be subnormal. */
function flushRow(values: Float32Array, start: number, end: number, statistics: RowStatistics): void {
  for (let i = start; i < end; i++) {
    const w = values[i] ?? 0;
    statistics.maxError = Math.max(statistics.maxError, Math.abs(w));
    statistics.squaredError += w * w;
  }
}

function refuseNotFinite(values: Float32Array, start: number, columns: number, row: number, name: string): never {
  let column = 0;
  while (column < columns - 1 && Number.isFinite(values[start + column])) column++;
  const at = `${name} [${row}, ${column}]`;
  throw new QuantizeError("value", `${at} is ${values[start + column]}; a weight must be a finite number`, at);
}

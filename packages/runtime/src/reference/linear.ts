/** y = W x, with int8 weights, 14-bit activations and exact sums. */
import { type PlannedTensor, spanLayout } from "@s7l/format";
import { type Activation, add, type Block, blockFromF32 } from "./block.ts";
import { bitLength, mulShift, roundDiv, shift } from "./integer.ts";

/** An int8 matrix [rows, columns]; row r times `multipliers[r]` · 2^exponent is the weight. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** Row-major. `i8x2`: 254 · hi + lo, at most 32385 in size. */
  readonly weights: Int8Array | Int16Array;
  /** The largest weight that the dtype allows: 127 or 32385. */
  readonly weightBound: number;
  /** Sealed f32 scales, aligned to the largest exponent; at most 25 bits. */
  readonly multipliers: Int32Array;
  readonly multiplierBits: number;
  readonly exponent: number;
}

/** A linear map with its optional bias. */
export interface LinearMap {
  readonly matrix: Matrix;
  readonly bias: Block | undefined;
}

/** Reads a tensor's span (see `spanLayout`) as a matrix. */
export function readMatrix(tensor: PlannedTensor, span: Uint8Array): Matrix {
  const [rows = 0, columns = 0] = tensor.shape;
  const layout = spanLayout(tensor);
  const hi = new Int8Array(span.buffer, span.byteOffset, rows * columns);
  const scales = readU32(span, layout.scales, rows);
  if (tensor.dtype !== "i8x2") return { rows, columns, weights: hi, weightBound: 127, ...alignScales(scales) };
  const lo = new Int8Array(span.buffer, span.byteOffset + layout.plane, rows * columns);
  const weights = Int16Array.from(hi, (h, i) => 254 * h + (lo[i] ?? 0));
  const { multipliers, exponent } = alignScales(scales);
  // scale / 254 = (scale · 256/254) · 2^-8
  const finer = multipliers.map((m) => roundDiv(m * 128, 127));
  return {
    rows,
    columns,
    weights,
    weightBound: 32385,
    multipliers: finer,
    multiplierBits: maxBits(finer),
    exponent: exponent - 8,
  };
}

/** Reads a vector's span as the bits of its f32 values. */
export const readF32Bits = (tensor: PlannedTensor, span: Uint8Array): Uint32Array =>
  readU32(span, 0, tensor.shape[0] ?? 0);

/** Reads a vector's span as a block of 24-bit mantissas. */
export const readF32 = (tensor: PlannedTensor, span: Uint8Array): Block => blockFromF32(readF32Bits(tensor, span));

/** Reads the first `count` u64 values of a span. */
export function readU64(span: Uint8Array, count: number): BigUint64Array {
  const view = new DataView(span.buffer, span.byteOffset, count * 8);
  return BigUint64Array.from({ length: count }, (_, i) => view.getBigUint64(i * 8, true));
}

function readU32(span: Uint8Array, offset: number, count: number): Uint32Array {
  const view = new DataView(span.buffer, span.byteOffset + offset, count * 4);
  return Uint32Array.from({ length: count }, (_, i) => view.getUint32(i * 4, true));
}

function alignScales(bits: Uint32Array): Pick<Matrix, "multipliers" | "multiplierBits" | "exponent"> {
  const { mantissas, exponent } = blockFromF32(bits);
  return { multipliers: mantissas, multiplierBits: maxBits(mantissas), exponent };
}

const maxBits = (values: Int32Array): number => values.reduce((max, m) => Math.max(max, bitLength(m)), 0);

/**
 * Row r: round(Σ w q · multiplier / 2^s). s is the same for all rows and makes every result fit in 30 bits, whatever the
 * weights: |Σ w q| <= weightBound · l1.
 */
export function multiplyMatrix(matrix: Matrix, x: Activation): Block {
  const { rows, columns, weights, multipliers } = matrix;
  const s = Math.max(0, bitLength(matrix.weightBound * x.l1) + matrix.multiplierBits - 30);
  const mantissas = new Int32Array(rows);
  for (let r = 0; r < rows; r++) {
    let sum = 0;
    for (let c = 0, i = r * columns; c < columns; c++, i++) sum += (weights[i] ?? 0) * (x.q[c] ?? 0);
    mantissas[r] = mulShift(sum, multipliers[r] ?? 0, s);
  }
  return { mantissas, exponent: x.exponent + matrix.exponent + s };
}

export function applyLinear(map: LinearMap, x: Activation): Block {
  const y = multiplyMatrix(map.matrix, x);
  return map.bias ? add(y, map.bias) : y;
}

/** One row of the embedding, as a block. */
export function embeddingRow(matrix: Matrix, row: number): Block {
  const { columns, weights } = matrix;
  const multiplier = matrix.multipliers[row] ?? 0;
  const mantissas = new Int32Array(columns);
  // 7 bits by 24 bits: two places to the right make it fit in 30.
  for (let c = 0; c < columns; c++) mantissas[c] = shift((weights[row * columns + c] ?? 0) * multiplier, -2);
  return { mantissas, exponent: matrix.exponent + 2 };
}

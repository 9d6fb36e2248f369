/** RMSNorm and LayerNorm. The mirror of src/reference/norm.ts. */
import * as NORM from "../src/engine/layout/norm";
import { addRow, sumExponent } from "./block";
import { reciprocalSqrt, rootExponent } from "./elementary";
import { bits32, bits64, roundDiv, roundShift } from "./integer";
import { address, field, head, row, rowBits, rowExponent, setHead } from "./memory";
import { halfOf, mulShift4, orLanes, orRow, shiftRow } from "./vector";

/** Exponent of the row that {@link normRow} made. */
export let normExponent: i32 = 0;

/** Σ round(m / 2^8)² of n mantissas of 26 bits. */
function sumOfSquares(x: usize, n: i32): i64 {
  const half = i32x4.splat(128);
  let sum = i64x2.splat(0);
  for (let i: usize = 0; i < <usize>n << 2; i += 16) {
    const v = i32x4.shr_s(i32x4.add(v128.load(x + i), half), 8);
    sum = i64x2.add(sum, i64x2.add(i64x2.extmul_low_i32x4_s(v, v), i64x2.extmul_high_i32x4_s(v, v)));
  }
  return i64x2.extract_lane(sum, 0) + i64x2.extract_lane(sum, 1);
}

let meanExponent: i32 = 0;

/** mean(x²) + eps; its exponent is left in `meanExponent`. */
function meanSquarePlus(norm: usize, sum: i64, exponent: i32, width: i32): i64 {
  // Both sides with 50 bits.
  const squareBits = bits64(sum) - 50;
  const squares = squareBits >= 0 ? roundShift(sum, squareBits) : sum << <i64>-squareBits;
  const squaresExponent = 2 * (exponent + 8) + squareBits;
  const epsProduct = <i64>field(norm, NORM.epsSignificand) * <i64>width;
  if (epsProduct == 0) {
    meanExponent = squaresExponent;
    return squares / width;
  }
  const epsBits = bits64(epsProduct) - 50;
  const eps = epsBits >= 0 ? roundShift(epsProduct, epsBits) : epsProduct << <i64>-epsBits;
  const epsExponent = field(norm, NORM.epsExponent) + epsBits;
  let total: i64;
  if (squaresExponent >= epsExponent) {
    meanExponent = squaresExponent;
    total = squares + roundShift(eps, squaresExponent - epsExponent);
  } else {
    meanExponent = epsExponent;
    total = eps + roundShift(squares, epsExponent - squaresExponent);
  }
  return total / width;
}

/** to = norm(x) of `width` mantissas, zero up to a multiple of 8; gives the or and leaves `normExponent`. May be in place. */
export function normRow(norm: usize, to: usize, x: usize, exponent: i32, bits: i32, width: i32): i32 {
  const n = (width + 7) & ~7;
  let from = x;
  let size = bits;
  let e = exponent;
  if (field(norm, NORM.layer) == 1 && size != 0) {
    // x - mean(x), from 25-bit mantissas.
    shiftRow(to, x, n, 25 - size);
    e += size - 25;
    let sum: i64 = 0;
    for (let i = 0; i < width; i++) sum += load<i32>(to + (<usize>i << 2));
    const mean = <i32>roundDiv(sum, width);
    for (let i = 0; i < width; i++) store<i32>(to + (<usize>i << 2), load<i32>(to + (<usize>i << 2)) - mean);
    size = bits32(<u32>orRow(to, n));
    from = to;
  }
  let or: i32;
  if (size == 0) {
    // A zero block stays as it is.
    if (from != to) memory.copy(to, from, <usize>n << 2);
    normExponent = e;
    or = 0;
  } else {
    shiftRow(to, from, n, 26 - size);
    e += size - 26;
    const inverse = reciprocalSqrt(meanSquarePlus(norm, sumOfSquares(to, n), e, width), meanExponent);
    or = scaleRow(to, address(norm, NORM.gain), <i32>inverse, n);
    normExponent = e + field(norm, NORM.gainExponent) + rootExponent + 50;
  }
  const bias = address(norm, NORM.bias);
  if (bias != 0) {
    or = addRow(to, to, bits32(<u32>or), normExponent, bias, field(norm, NORM.biasBits), field(norm, NORM.biasExponent), n);
    normExponent = sumExponent;
  }
  return or;
}

/** x = round(round(x · gain / 2^24) · inverse / 2^26). */
function scaleRow(x: usize, gain: usize, inverse: i32, n: i32): i32 {
  const half24 = halfOf(24);
  const half26 = halfOf(26);
  const factor = i32x4.splat(inverse);
  let or = i32x4.splat(0);
  for (let i: usize = 0; i < <usize>n << 2; i += 16) {
    const v = mulShift4(mulShift4(v128.load(x + i), v128.load(gain + i), half24, 24), factor, half26, 26);
    v128.store(x + i, v);
    or = v128.or(or, i32x4.abs(v));
  }
  return orLanes(or);
}

/** to = norm(from), tokens of this part. */
export function normBlocks(norm: usize, from: usize, to: usize, tokens: i32, width: i32, part: i32, parts: i32): void {
  for (let t = part; t < tokens; t += parts) {
    const h = head(from, t);
    const or = normRow(norm, row(to, t, 4), row(from, t, 4), rowExponent(h), rowBits(h), width);
    setHead(head(to, t), normExponent, or);
  }
}

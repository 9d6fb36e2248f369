/** Activations between two matrices. The mirror of src/reference/ffn.ts. */
import * as ACTIVATION from "../src/engine/layout/activation";
import * as FFN from "../src/engine/layout/ffn";
import { addRow, multiplyRow, quantiseRow, quantiseShift, sumExponent } from "./block";
import { sigmoidRow } from "./elementary-lanes";
import { bits32, shiftSaturating } from "./integer";
import { field, head, row, rowBits, rowExponent, setActivationHead } from "./memory";
import { workspace } from "./product";
import { halfOf, keepOf, leftOf, mulShift4, orLanes, orRow, rightOf, roundOf, shift4, shiftRow } from "./vector";

/**
 * Hidden activations: to = quantise(act(inner) [· up]), tokens of this part. Both sides are overwritten. `ones` holds 2^24 in
 * `width` places and zero up to a multiple of 8 (only the clamped swish reads it).
 */
export function activate(
  ffn: usize,
  inner: usize,
  up: usize,
  tokens: i32,
  to: usize,
  ones: usize,
  part: i32,
  parts: i32,
): void {
  const kind = field(ffn, FFN.activation);
  const width = field(ffn, FFN.width);
  const n = (width + 7) & ~7;
  for (let t = part; t < tokens; t += parts) {
    const x = row(inner, t, 4);
    const h = head(inner, t);
    let exponent = rowExponent(h);
    let bits = rowBits(h);
    let u: usize = 0;
    let upExponent = 0;
    let upBits = 0;
    if (up != 0) {
      u = row(up, t, 4);
      upExponent = rowExponent(head(up, t));
      upBits = rowBits(head(up, t));
    }
    if (kind == ACTIVATION.clamped) {
      const significand = field(ffn, FFN.limitSignificand);
      bits = bits32(<u32>clampRow(x, n, shiftSaturating(significand, field(ffn, FFN.limitExponent) - exponent), false));
      bits = bits32(<u32>swishRow(x, n, field(ffn, FFN.alphaSignificand), exponent + field(ffn, FFN.alphaExponent) + 40));
      upBits = bits32(<u32>clampRow(u, n, shiftSaturating(significand, field(ffn, FFN.limitExponent) - upExponent), true));
      upBits = bits32(<u32>addRow(u, u, upBits, upExponent, ones, 25, -24, n));
      upExponent = sumExponent;
    } else if (kind == ACTIVATION.relu || kind == ACTIVATION.relu2) {
      bits = bits32(<u32>reluRow(x, n));
      if (kind == ACTIVATION.relu2) {
        if (bits != 0) {
          shiftRow(x, x, n, 26 - bits);
          exponent += bits - 26;
        }
        bits = bits32(<u32>squareRow(x, n));
        exponent = 2 * exponent + 26;
      }
    } else {
      bits = bits32(<u32>gateRow(x, n, exponent + 16, kind));
    }
    if (u != 0) {
      const product = multiplyRow(x, x, bits, u, upBits, n);
      exponent = (bits == 0 ? exponent : exponent + bits - 26) + (upBits == 0 ? upExponent : upExponent + upBits - 26) + 26;
      bits = bits32(<u32>product);
    }
    const s = quantiseShift(bits, 14);
    const q = row(to, t, 2);
    const l1 = quantiseRow(q, x, n, s, 14, -8192);
    memory.fill(q + (<usize>n << 1), 0, <usize>(((width + 31) & ~31) - n) << 1);
    setActivationHead(head(to, t), exponent + s, l1);
  }
}

/** x = min(x, limit), and max(x, -limit) where `both`; gives the or. */
function clampRow(x: usize, n: i32, limit: i32, both: bool): i32 {
  const high = i32x4.splat(limit);
  const low = i32x4.splat(both ? -limit : i32.MIN_VALUE);
  for (let i: usize = 0; i < <usize>n << 2; i += 16) {
    v128.store(x + i, i32x4.max_s(i32x4.min_s(v128.load(x + i), high), low));
  }
  return orRow(x, n);
}

function reluRow(x: usize, n: i32): i32 {
  const zero = i32x4.splat(0);
  for (let i: usize = 0; i < <usize>n << 2; i += 16) v128.store(x + i, i32x4.max_s(v128.load(x + i), zero));
  return orRow(x, n);
}

/** x = round(x² / 2^26). */
function squareRow(x: usize, n: i32): i32 {
  const half = halfOf(26);
  for (let i: usize = 0; i < <usize>n << 2; i += 16) {
    const v = v128.load(x + i);
    v128.store(x + i, mulShift4(v, v, half, 26));
  }
  return orRow(x, n);
}

/** Lanes moved by k places and limited to ±2^30, for |x| <= 2^30. */
@inline
function saturate4(x: v128, top: v128, left: i32, right: i32, round: v128, keep: v128): v128 {
  const moved = shift4(x, left, right, round, keep);
  const limit = v128.bitselect(i32x4.splat(-0x40000000), i32x4.splat(0x40000000), i32x4.shr_s(x, 31));
  return v128.bitselect(limit, moved, i32x4.gt_s(i32x4.abs(x), top));
}

/** The largest |x| that k places to the left do not limit. */
@inline
function topOf(k: i32): v128 {
  return i32x4.splat(k <= 0 ? i32.MAX_VALUE : k > 30 ? 0 : (1 << (30 - k)) - 1);
}

/** x = round(x · sigmoid(argument(x)) / 2^15); the argument is x moved by k to Q16, then through GELU's polynomial. */
function gateRow(x: usize, n: i32, k: i32, kind: i32): i32 {
  const top = topOf(k);
  const left = k > 30 ? 0 : leftOf(k);
  const right = rightOf(k);
  const round = roundOf(k);
  const keep = keepOf(k);
  const bytes = <usize>n << 2;
  for (let i: usize = 0; i < bytes; i += 16) {
    const a = saturate4(v128.load(x + i), top, left, right, round, keep);
    v128.store(workspace + i, kind == ACTIVATION.silu ? a : geluLanes(a, kind));
  }
  return weighRow(x, n);
}

/** What the sigmoid of GELU is taken of, for x in Q16. */
@inline
function geluLanes(x: v128, kind: i32): v128 {
  const half16 = halfOf(16);
  const bound = i32x4.splat((kind == ACTIVATION.geluErf ? 5 : 16) << 16);
  const a = i32x4.max_s(i32x4.min_s(x, bound), i32x4.neg(bound));
  const square = mulShift4(a, a, half16, 16);
  let p = i32x4.splat(1197135);
  if (kind == ACTIVATION.geluErf) {
    p = i32x4.add(i32x4.splat(-6507), mulShift4(i32x4.splat(-462), square, half16, 16));
    p = i32x4.add(i32x4.splat(1226268), mulShift4(p, square, half16, 16));
  }
  p = i32x4.add(i32x4.splat(kind == ACTIVATION.geluTanh ? 26772563 : 26770419), mulShift4(p, square, half16, 16));
  return mulShift4(p, a, halfOf(24), 24);
}

/** x = round(x · sigmoid(alpha x) / 2^15): the argument is round(x · significand / 2^24) moved by k. */
function swishRow(x: usize, n: i32, significand: i32, k: i32): i32 {
  const top = topOf(k);
  const left = k > 30 ? 0 : leftOf(k);
  const right = rightOf(k);
  const round = roundOf(k);
  const keep = keepOf(k);
  const alpha = i32x4.splat(significand);
  const half24 = halfOf(24);
  for (let i: usize = 0; i < <usize>n << 2; i += 16) {
    const v = mulShift4(v128.load(x + i), alpha, half24, 24);
    v128.store(workspace + i, saturate4(v, top, left, right, round, keep));
  }
  return weighRow(x, n);
}

/** x = round(x · sigmoid / 2^15) for the arguments in the workspace, which holds two rows; gives the or. */
function weighRow(x: usize, n: i32): i32 {
  const bytes = <usize>n << 2;
  sigmoidRow(workspace, n, workspace + bytes);
  const half = halfOf(15);
  let or = i32x4.splat(0);
  for (let i: usize = 0; i < bytes; i += 16) {
    const y = mulShift4(v128.load(x + i), v128.load(workspace + i), half, 15);
    v128.store(x + i, y);
    or = v128.or(or, i32x4.abs(y));
  }
  return orLanes(or);
}

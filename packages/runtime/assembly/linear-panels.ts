/**
 * A few tokens by a matrix. Weights are widened to 16 bits once, a panel of rows at a time that stays in the first-level cache, and
 * every pair of tokens passes over it in tiles of four rows by two tokens.
 *
 * A step of a tile is six loads and eight sums: with one step in the loop's body they fit in the registers. A body of two steps does
 * not on Node 20, whose compiler moves all loads to the front and then spills.
 */
import * as MAP from "../src/engine/layout/map";
import { address, field, row } from "./memory";
import { addOr, shiftOf } from "./product";
import { touch } from "./touch";
import { halfOf, mulShift4, orLanes, sumRows4 } from "./vector";

/** Bytes of widened weights. */
const PANEL: i32 = 16384;

/** Rows [from, to), four or more, of two or more tokens whose sums fit in 32 bits. `workspace`: as many widened rows as tokens, and four at least. */
export function multiplyPanels(
  map: usize,
  xs: usize,
  t: i32,
  tokens: i32,
  y: usize,
  from: i32,
  to: i32,
  workspace: usize,
): void {
  const columns = (field(map, MAP.columns) + 15) & ~15;
  const stride = <usize>field(map, MAP.stride);
  // The workspace holds as many rows as a chunk has tokens.
  const panel = max(4, min(PANEL / (2 * columns), tokens) & ~3);
  for (let top = from; top < to; top += panel) {
    const bottom = min(to, top + panel);
    // Where rows are no multiple of four the last ones are done again with their neighbours, and so are tokens.
    let at = workspace;
    for (let r = top; r < bottom; r += 4) at = widen4(map, min(r, to - 4), columns, at);
    // Meanwhile the next panel comes from memory, a share with every pair of tokens.
    const next = address(map, MAP.data) + <usize>bottom * stride;
    const share = (<usize>(min(to, bottom + panel) - bottom) * stride) / <usize>tokens;
    for (let i = 0; i < tokens; i += 2) {
      touch(next + <usize>i * share, next + <usize>min(i + 2, tokens) * share);
      tiles(map, xs, t + min(i, tokens - 2), y, top, bottom, to - 4, columns, workspace);
    }
  }
}

/** Four rows as i16 [columns/8][4][8]; gives the end. */
function widen4(map: usize, r: i32, columns: i32, at: usize): usize {
  const stride = <usize>field(map, MAP.stride);
  let w = address(map, MAP.data) + <usize>r * stride;
  const end = w + <usize>columns;
  for (; w < end; w += 8) {
    v128.store(at, v128.load8x8_s(w));
    v128.store(at, v128.load8x8_s(w + stride), 16);
    v128.store(at, v128.load8x8_s(w + 2 * stride), 32);
    v128.store(at, v128.load8x8_s(w + 3 * stride), 48);
    at += 64;
  }
  return at;
}

/** The panel's rows [top, bottom) of tokens t and t + 1; no tile begins beyond `last`. */
function tiles(
  map: usize,
  xs: usize,
  t: i32,
  y: usize,
  top: i32,
  bottom: i32,
  last: i32,
  columns: i32,
  panel: usize,
): void {
  const x = row(xs, t, 2);
  const beside = row(xs, t + 1, 2);
  const out = row(y, t, 4);
  const below = row(y, t + 1, 4) - out;
  const sa = shiftOf(map, xs, t);
  const sb = shiftOf(map, xs, t + 1);
  const halfA = halfOf(sa);
  const halfB = halfOf(sb);
  const multipliers = address(map, MAP.multipliers);
  let orA = i32x4.splat(0);
  let orB = i32x4.splat(0);
  let w = panel;
  for (let r = top; r < bottom; r += 4) {
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let a2 = i32x4.splat(0);
    let a3 = i32x4.splat(0);
    let b0 = i32x4.splat(0);
    let b1 = i32x4.splat(0);
    let b2 = i32x4.splat(0);
    let b3 = i32x4.splat(0);
    let a = x;
    let b = beside;
    for (const end = w + (<usize>columns << 3); w < end; w += 64) {
      const w0 = v128.load(w);
      const w1 = v128.load(w, 16);
      const w2 = v128.load(w, 32);
      const w3 = v128.load(w, 48);
      let v = v128.load(a);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(w0, v));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(w1, v));
      a2 = i32x4.add(a2, i32x4.dot_i16x8_s(w2, v));
      a3 = i32x4.add(a3, i32x4.dot_i16x8_s(w3, v));
      v = v128.load(b);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(w0, v));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(w1, v));
      b2 = i32x4.add(b2, i32x4.dot_i16x8_s(w2, v));
      b3 = i32x4.add(b3, i32x4.dot_i16x8_s(w3, v));
      a += 16;
      b += 16;
    }
    const at = <usize>min(r, last) << 2;
    const m = v128.load(multipliers + at);
    const ya = mulShift4(sumRows4(a0, a1, a2, a3), m, halfA, sa);
    const yb = mulShift4(sumRows4(b0, b1, b2, b3), m, halfB, sb);
    v128.store(out + at, ya);
    v128.store(out + below + at, yb);
    orA = v128.or(orA, i32x4.abs(ya));
    orB = v128.or(orB, i32x4.abs(yb));
  }
  addOr(t, orLanes(orA));
  addOr(t + 1, orLanes(orB));
}

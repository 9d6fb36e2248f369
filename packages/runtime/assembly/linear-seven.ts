/**
 * Many tokens by a matrix with seven products where the definition has eight: V. Strassen, "Gaussian elimination is not optimal" (1969).
 *
 * Sixteen or 32 rows A by eight tokens B are blocks of two by two, halved by rows, tokens and columns, and
 *   m1 = (a11 + a22)(b11 + b22)   m2 = (a21 + a22) b11   m3 = a11 (b12 - b22)   m4 = a22 (b21 - b11)
 *   m5 = (a11 + a12) b22   m6 = (a21 - a11)(b11 + b12)   m7 = (a12 - a22)(b21 + b22)
 *   c11 = m1 + m4 - m5 + m7   c12 = m3 + m5   c21 = m2 + m4   c22 = m1 - m2 + m3 + m6
 * In floats that loses digits. In integers it loses nothing: sums of two weights or two activations fit in 16 bits, and what is added up
 * wraps modulo 2^32 on the way to a result that fits.
 *
 * A tile of half as many rows by four tokens is sums in registers: of eight rows they fill the sixteen that a host with vectors of 128 bits
 * has, and where it joins two to one of 256 (engine/wide-vectors.ts) those of sixteen do, for two loads less in every ten.
 *
 * Columns are taken a block at a time, so that combined rows stay near the first-level cache and combined activations in the second;
 * between blocks the sums lie in the result's own rows. How rows and tokens are combined: linear-combined.ts.
 */
import * as MAP from "../src/engine/layout/map";
import { COMBINED, COMBINED_COLUMNS, COMBINED_TOKENS, FLAT_ROWS, STATE_BYTES, TALL_ROWS } from "../src/engine/layout/sizes";
import { combineRows, combineTokens } from "./linear-combined";
import { address, field, row } from "./memory";
import { addOr, isTall, shiftOf } from "./product";
import { touch } from "./touch";
import { halfOf, mulShift4, orLanes } from "./vector";

/** Where the states of tokens lie, and the seven products of a tile: i32 [4 tokens][rows of the tile]. */
let states: usize = 0;
let products: usize = 0;
/** Bytes of a product. */
let product: usize = 0;

/** Rows that are combined at once: two tiles of them. */
@inline
export function sevenRows(): i32 {
  return isTall ? TALL_ROWS : FLAT_ROWS;
}

/** Whether so many tokens and columns repay what combining them costs. */
@inline
export function worthSeven(tokens: i32, columns: i32): bool {
  return tokens >= 16 && columns >= 384;
}

/**
 * Rows [from, to), a multiple of {@link sevenRows}, of tokens whose sums fit in 32 bits. `workspace`: a state for each token, seven products,
 * then the combined rows and tokens.
 */
export function multiplySeven(
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
  const blocks = (columns + COMBINED_COLUMNS - 1) / COMBINED_COLUMNS;
  const width = ((columns + blocks - 1) / blocks + 15) & ~15;
  const height = sevenRows();
  states = workspace;
  products = states + <usize>((tokens + 7) & ~7) * STATE_BYTES;
  product = <usize>height << 3;
  const rows = products + product * COMBINED;
  const activations = rows + <usize>(height >> 1) * <usize>width * COMBINED;
  openTokens(map, xs, t, tokens);
  for (let k = 0; k < columns; k += width) {
    const block = min(width, columns - k);
    const group = <usize>block * 4 * COMBINED; // bytes of eight combined tokens
    for (let i = 0; i < tokens; i += COMBINED_TOKENS) {
      combineTokens(xs, t, i, tokens, k, block, activations + <usize>(i >> 3) * group);
    }
    const w = address(map, MAP.data) + <usize>k;
    const share = (<usize>block << 3) / <usize>tokens;
    for (let r = from; r < to; r += height) {
      combineRows(w + <usize>r * stride, stride, height, block, rows);
      const next = r + height < to ? w + <usize>(r + height) * stride : 0;
      let x = activations;
      for (let i = 0; i < tokens; i += COMBINED_TOKENS) {
        // Meanwhile the next rows come from memory, a share with every eight tokens.
        if (next != 0) touchRows(next + ((<usize>i * share) >> 3), share, stride, height);
        if (isTall) multiplyTall(rows, x, block);
        else multiplyTile(rows, x, block);
        finishTiles(map, y, r, t, i, tokens, k == 0, k + block == columns);
        x += group;
      }
    }
  }
  for (let i = 0; i < tokens; i++) addOr(t + i, orLanes(v128.load(states + <usize>i * STATE_BYTES)));
}

function openTokens(map: usize, xs: usize, t: i32, tokens: i32): void {
  for (let i = 0; i < tokens; i++) {
    const state = states + <usize>i * STATE_BYTES;
    v128.store(state, i32x4.splat(0));
    store<i32>(state, shiftOf(map, xs, t + i), 16);
  }
}

@inline
function touchRows(at: usize, share: usize, stride: usize, rows: i32): void {
  for (let r = 0; r < rows; r++) {
    touch(at, at + share);
    at += stride;
  }
}

/**
 * The seven products of eight rows: eight accumulators of four rows each for a token, which is broadcast two columns at a time. One step a
 * turn, as Node 20 moves all loads of a body to its front, and spills with two.
 */
function multiplyTile(rows: usize, x: usize, block: i32): void {
  const bytes = <usize>block << 3; // of eight combined rows
  let w = rows;
  let to = products;
  for (const last = to + product * COMBINED; to < last; to += product) {
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let b0 = i32x4.splat(0);
    let b1 = i32x4.splat(0);
    let c0 = i32x4.splat(0);
    let c1 = i32x4.splat(0);
    let d0 = i32x4.splat(0);
    let d1 = i32x4.splat(0);
    for (const end = w + bytes; w < end; w += 32) {
      const w0 = v128.load(w);
      const w1 = v128.load(w, 16);
      let v = v128.load32_splat(x);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(w0, v));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(w1, v));
      v = v128.load32_splat(x, 4);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(w0, v));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(w1, v));
      v = v128.load32_splat(x, 8);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(w0, v));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(w1, v));
      v = v128.load32_splat(x, 12);
      d0 = i32x4.add(d0, i32x4.dot_i16x8_s(w0, v));
      d1 = i32x4.add(d1, i32x4.dot_i16x8_s(w1, v));
      x += 16;
    }
    v128.store(to, a0);
    v128.store(to, a1, 16);
    v128.store(to, b0, 32);
    v128.store(to, b1, 48);
    v128.store(to, c0, 64);
    v128.store(to, c1, 80);
    v128.store(to, d0, 96);
    v128.store(to, d1, 112);
  }
}

/** The same of sixteen rows: sixteen accumulators, in eight registers where the host joins two. */
function multiplyTall(rows: usize, x: usize, block: i32): void {
  const bytes = <usize>block << 4; // of sixteen combined rows
  let w = rows;
  let to = products;
  for (const last = to + product * COMBINED; to < last; to += product) {
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let a2 = i32x4.splat(0);
    let a3 = i32x4.splat(0);
    let b0 = i32x4.splat(0);
    let b1 = i32x4.splat(0);
    let b2 = i32x4.splat(0);
    let b3 = i32x4.splat(0);
    let c0 = i32x4.splat(0);
    let c1 = i32x4.splat(0);
    let c2 = i32x4.splat(0);
    let c3 = i32x4.splat(0);
    let d0 = i32x4.splat(0);
    let d1 = i32x4.splat(0);
    let d2 = i32x4.splat(0);
    let d3 = i32x4.splat(0);
    for (const end = w + bytes; w < end; w += 64) {
      const w0 = v128.load(w);
      const w1 = v128.load(w, 16);
      const w2 = v128.load(w, 32);
      const w3 = v128.load(w, 48);
      let v = v128.load32_splat(x);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(w0, v));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(w1, v));
      a2 = i32x4.add(a2, i32x4.dot_i16x8_s(w2, v));
      a3 = i32x4.add(a3, i32x4.dot_i16x8_s(w3, v));
      v = v128.load32_splat(x, 4);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(w0, v));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(w1, v));
      b2 = i32x4.add(b2, i32x4.dot_i16x8_s(w2, v));
      b3 = i32x4.add(b3, i32x4.dot_i16x8_s(w3, v));
      v = v128.load32_splat(x, 8);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(w0, v));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(w1, v));
      c2 = i32x4.add(c2, i32x4.dot_i16x8_s(w2, v));
      c3 = i32x4.add(c3, i32x4.dot_i16x8_s(w3, v));
      v = v128.load32_splat(x, 12);
      d0 = i32x4.add(d0, i32x4.dot_i16x8_s(w0, v));
      d1 = i32x4.add(d1, i32x4.dot_i16x8_s(w1, v));
      d2 = i32x4.add(d2, i32x4.dot_i16x8_s(w2, v));
      d3 = i32x4.add(d3, i32x4.dot_i16x8_s(w3, v));
      x += 16;
    }
    v128.store(to, a0);
    v128.store(to, a1, 16);
    v128.store(to, a2, 32);
    v128.store(to, a3, 48);
    v128.store(to, b0, 64);
    v128.store(to, b1, 80);
    v128.store(to, b2, 96);
    v128.store(to, b3, 112);
    v128.store(to, c0, 128);
    v128.store(to, c1, 144);
    v128.store(to, c2, 160);
    v128.store(to, c3, 176);
    v128.store(to, d0, 192);
    v128.store(to, d1, 208);
    v128.store(to, d2, 224);
    v128.store(to, d3, 240);
  }
}

/** Joins the products of two tiles to the sums of eight tokens, rows from r on, and ends these with the last block. */
function finishTiles(map: usize, y: usize, r: i32, t: i32, i: i32, tokens: i32, first: bool, last: bool): void {
  const at = <usize>r << 2;
  const multipliers = address(map, MAP.multipliers) + at;
  const half = product >> 2; // bytes of a token's results of one tile
  for (let j: i32 = 0; j < 4 && i + j < tokens; j++) {
    const out = row(y, t + i + j, 4) + at;
    const state = states + <usize>(i + j) * STATE_BYTES;
    // Four tokens on; where there is none, its results go nowhere.
    const both = i + j + 4 < tokens;
    const beside = row(y, t + i + j + 4, 4) + at;
    for (let g: usize = 0; g < half; g += 16) {
      let m = products + <usize>j * half + g;
      const m1 = v128.load(m);
      const m2 = v128.load((m += product));
      const m3 = v128.load((m += product));
      const m4 = v128.load((m += product));
      const m5 = v128.load((m += product));
      const m6 = v128.load((m += product));
      const c11 = i32x4.add(i32x4.sub(i32x4.add(m1, m4), m5), v128.load(m + product));
      deliver(out + g, c11, state, multipliers + g, first, last);
      deliver(out + g + half, i32x4.add(m2, m4), state, multipliers + g + half, first, last);
      if (!both) continue;
      const c22 = i32x4.add(i32x4.add(i32x4.sub(m1, m2), m3), m6);
      deliver(beside + g, i32x4.add(m3, m5), state + 4 * STATE_BYTES, multipliers + g, first, last);
      deliver(beside + g + half, c22, state + 4 * STATE_BYTES, multipliers + g + half, first, last);
    }
  }
}

/** Four rows' results of one token. */
@inline
function deliver(out: usize, sums: v128, state: usize, multipliers: usize, first: bool, last: bool): void {
  let v = sums;
  if (!first) v = i32x4.add(v, v128.load(out));
  if (last) {
    const s = load<i32>(state, 16);
    v = mulShift4(v, v128.load(multipliers), halfOf(s), s);
    v128.store(state, v128.or(v128.load(state), i32x4.abs(v)));
  }
  v128.store(out, v);
}

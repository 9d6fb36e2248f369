/**
 * What every matrix product shares: the bound that lets sums stay in 32 bits, the shift of a token, and its head.
 *
 * A sum never passes 127 · l1, so where that fits in 32 bits (practically always) one pass of wrapping i32 lanes is exact;
 * else rows are summed in pieces of 2,048, which 127 · 8192 · 2048 < 2^31 allows, into 64 bits.
 */
import * as HEAD from "../src/engine/layout/head";
import * as MAP from "../src/engine/layout/map";
import { CHUNK_TOKENS } from "../src/engine/layout/sizes";
import { bits64 } from "./integer";
import { field, head, row, rowExponent, rowL1 } from "./memory";

/** The largest l1 whose sums fit in 32 bits. */
export const FAST_L1: i32 = 16909320; // floor((2^31 - 1) / 127)

/** Where this thread may write what it prepares for a product. */
export let workspace: usize = 0;
/** Whether tiles of many tokens have sixteen rows: see linear-seven.ts. */
export let isTall: bool = false;

/**
 * An i32 for each token of a chunk, this thread's alone: the or of its results so far. It goes to the token's head once, at the
 * end, as other threads write to the same cache line.
 */
let ors: usize = 0;
/** Bytes of these. */
const ORS: usize = CHUNK_TOKENS << 2;

/** Tells where (bytes: workspaceBytes of engine/kernels.ts), and whether tiles shall be tall. */
export function setWorkspace(at: usize, tall: bool): void {
  ors = at;
  workspace = at + ORS;
  isTall = tall;
}

/** The right shift that makes every row's result fit in 30 bits. */
@inline
export function resultShift(bound: i64, l1: i32, multiplierBits: i32): i32 {
  return max(0, bits64(bound * <i64>l1) + multiplierBits - 30);
}

/** A token's shift by this map. */
@inline
export function shiftOf(map: usize, x: usize, t: i32): i32 {
  return resultShift(127, rowL1(head(x, t)), field(map, MAP.multiplierBits));
}

/** Writes the head of a result, and zeroes the row's padding where this part has its last rows. */
@inline
export function finish(map: usize, x: usize, y: usize, t: i32, s: i32, or: i32, to: i32, part: i32): void {
  const out = head(y, t);
  store<i32>(out, rowExponent(head(x, t)) + field(map, MAP.exponent) + s, HEAD.exponent << 2);
  store<i32>(out + (<usize>part << 2), or, HEAD.or << 2);
  if (to == field(map, MAP.rows)) {
    const end = row(y, t, 4) + (<usize>to << 2);
    memory.fill(end, 0, (<usize>((to + 7) & ~7) - <usize>to) << 2);
  }
}

/** Forgets the results of tokens [t, t + tokens). */
export function clearOrs(t: i32, tokens: i32): void {
  memory.fill(ors + (<usize>t << 2), 0, <usize>tokens << 2);
}

/** Adds to the results of a token. */
@inline
export function addOr(t: i32, or: i32): void {
  const at = ors + (<usize>t << 2);
  store<i32>(at, load<i32>(at) | or);
}

/** Writes the heads of tokens [t, t + tokens), whose results are all there. */
export function finishAll(map: usize, xs: usize, y: usize, t: i32, tokens: i32, to: i32, part: i32): void {
  for (let i = t; i < t + tokens; i++)
    finish(map, xs, y, i, shiftOf(map, xs, i), load<i32>(ors + (<usize>i << 2)), to, part);
}

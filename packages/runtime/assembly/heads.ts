/**
 * From projections to heads: norm and rotation of queries and keys, and what goes into the cache. The mirror of the first
 * half of src/reference/attention.ts.
 *
 * A cache page holds PAGE_SLOTS slots of every key-value head, each head on its own, in the order in which attention reads it:
 *   keys    i16 [PAGE_SLOTS/16][keyPad/2][16 slots][2]             pairs of dims of sixteen slots side by side: a cache line a step
 *   values  i8  [PAGE_SLOTS/32][valuePad/8][16 pairs][8][2 slots]  pairs of slots side by side, eight dims of a block at a time
 *   keyExponents, valueMagnitudes, valueExponents   i32 [PAGE_SLOTS] each; a zero value has magnitude 0, exponent NOTHING
 * keyPad and valuePad are the sizes rounded up to 8; what lies beyond the size is zero.
 */
import * as ATTENTION from "../src/engine/layout/attention";
import { NOTHING, PAGE_SLOTS } from "../src/engine/layout/sizes";
import { commonExponent, quantiseRow, quantiseShift } from "./block";
import { bits32 } from "./integer";
import { address, field, head, row, rowExponent } from "./memory";
import { normExponent, normRow } from "./norm";
import { rotateRow } from "./rope";
import { copyRow, orRow, shiftRow } from "./vector";

@inline
export function pad8(n: i32): i32 {
  return (n + 7) & ~7;
}

/** Bytes of one head's share of a page. */
@inline
export function headBytes(keyPad: i32, valuePad: i32): usize {
  return <usize>PAGE_SLOTS * <usize>(2 * keyPad + valuePad + 12);
}

/** Bytes of a page. */
export function pageBytes(attention: usize): usize {
  const keyPad = pad8(field(attention, ATTENTION.keySize));
  const valuePad = pad8(field(attention, ATTENTION.valueSize));
  return <usize>field(attention, ATTENTION.kvHeads) * headBytes(keyPad, valuePad);
}

/** Address of a head's share of the page of a slot. */
@inline
export function pageOf(table: usize, slot: i32, kvHead: i32, bytes: usize): usize {
  return <usize>load<u32>(table + (<usize>(slot / PAGE_SLOTS) << 2)) + <usize>kvHead * bytes;
}

let headExponent: i32 = 0;

/** Norm and rotation of the head at x (zero up to a multiple of 8), in place; gives its bits and leaves `headExponent`. */
function turnHead(attention: usize, x: usize, size: i32, or: i32, exponent: i32, norm: usize, table: usize): i32 {
  let bits = bits32(<u32>or);
  headExponent = exponent;
  if (norm != 0) {
    bits = bits32(<u32>normRow(norm, x, x, exponent, bits, size));
    headExponent = normExponent;
  }
  const pairs = field(attention, ATTENTION.pairs);
  if (pairs != 0) {
    const padded = pad8(size);
    if (bits > 24) {
      shiftRow(x, x, padded, 24 - bits);
      headExponent += bits - 24;
    }
    const at = x + (<usize>field(attention, ATTENTION.ropeOffset) << 2);
    rotateRow(at, pairs, field(attention, ATTENTION.interleaved) != 0, table);
    bits = bits32(<u32>orRow(x, padded));
  }
  return bits;
}

@inline
function rotationOf(attention: usize, rotations: usize, token: i32): usize {
  return rotations + <usize>token * (<usize>((field(attention, ATTENTION.pairs) + 3) & ~3) << 3);
}

/** Queries of every head as 12-bit integers: q i16 [tokens][heads][keyPad] and exponents i32 [tokens][heads]. */
export function prepareQueries(
  attention: usize,
  rows: usize,
  tokens: i32,
  rotations: usize,
  q: usize,
  exponents: usize,
  scratch: usize,
  part: i32,
  parts: i32,
): void {
  const heads = field(attention, ATTENTION.heads);
  const size = field(attention, ATTENTION.keySize);
  const padded = pad8(size);
  for (let i = part; i < tokens * heads; i += parts) {
    const t = i / heads;
    const h = i % heads;
    const or = copyRow(scratch, row(rows, t, 4) + (<usize>(h * size) << 2), size);
    const exponent = rowExponent(head(rows, t));
    const angles = rotationOf(attention, rotations, t);
    const bits = turnHead(attention, scratch, size, or, exponent, address(attention, ATTENTION.qNorm), angles);
    const s = quantiseShift(bits, 12);
    quantiseRow(q + (<usize>i * <usize>padded << 1), scratch, padded, s, 12, -2048);
    store<i32>(exponents + (<usize>i << 2), headExponent + s);
  }
}

/** Puts the keys of all heads into slots first + token. `shared`: rows of the dims that latent attention rotates, or 0. */
export function appendKeys(
  attention: usize,
  rows: usize,
  shared: usize,
  tokens: i32,
  rotations: usize,
  table: usize,
  first: i32,
  scratch: usize,
  part: i32,
  parts: i32,
): void {
  const heads = field(attention, ATTENTION.kvHeads);
  const size = field(attention, ATTENTION.keySize);
  const padded = pad8(size);
  const own = size - field(attention, ATTENTION.rotated);
  const bytes = headBytes(padded, pad8(field(attention, ATTENTION.valueSize)));
  const q = scratch + (<usize>padded << 2);
  for (let i = part; i < tokens * heads; i += parts) {
    const t = i / heads;
    const h = i % heads;
    let or = copyRow(scratch, row(rows, t, 4) + (<usize>(h * own) << 2), own);
    let exponent = rowExponent(head(rows, t));
    if (shared != 0) {
      or = joinShared(scratch, own, or, exponent, row(shared, t, 4), size - own, rowExponent(head(shared, t)));
      exponent = headExponent;
    }
    const angles = rotationOf(attention, rotations, t);
    const bits = turnHead(attention, scratch, size, or, exponent, address(attention, ATTENTION.kNorm), angles);
    const s = quantiseShift(bits, 12);
    quantiseRow(q, scratch, padded, s, 12, -2047);
    const slot = first + t;
    const page = pageOf(table, slot, h, bytes);
    const at = slot & (PAGE_SLOTS - 1);
    let to = page + (<usize>((at >> 4) * padded) << 5) + (<usize>(at & 15) << 2);
    for (let d: usize = 0; d < <usize>padded << 1; d += 4) {
      store<i32>(to, load<i32>(q + d));
      to += 64;
    }
    const exponents = page + <usize>PAGE_SLOTS * <usize>(2 * padded + pad8(field(attention, ATTENTION.valueSize)));
    store<i32>(exponents + (<usize>at << 2), headExponent + s);
  }
}

/** x = x side by side with `more`, at one exponent, left in `headExponent`; gives the or. */
function joinShared(x: usize, n: i32, or: i32, exponent: i32, more: usize, m: i32, moreExponent: i32): i32 {
  const tail = x + (<usize>pad8(n) << 2);
  const bits = bits32(<u32>or);
  const moreBits = bits32(<u32>copyRow(tail, more, m));
  headExponent = commonExponent(bits, exponent, moreBits, moreExponent);
  shiftRow(x, x, pad8(n), bits == 0 ? 0 : exponent - headExponent);
  shiftRow(tail, tail, pad8(m), moreBits == 0 ? 0 : moreExponent - headExponent);
  return copyRow(x, x, n) | copyTail(x, n, tail, m);
}

/** Moves m mantissas to x[n], zeroing up to the next multiple of 8. */
function copyTail(x: usize, n: i32, tail: usize, m: i32): i32 {
  const to = x + (<usize>n << 2);
  memory.copy(to, tail, <usize>m << 2);
  memory.fill(to + (<usize>m << 2), 0, <usize>(pad8(n + m) - (n + m)) << 2);
  return orRow(x, pad8(n + m));
}

/** Bytes from a slot's first dim to its d-th. */
@inline
function valueStep(d: i32): usize {
  return (<usize>(d >> 3) << 8) + (<usize>(d & 7) << 1);
}

/** Puts the values of all heads into slots first + token, as int8 by their own largest element. */
export function appendValues(
  attention: usize,
  rows: usize,
  tokens: i32,
  table: usize,
  first: i32,
  scratch: usize,
  part: i32,
  parts: i32,
): void {
  const heads = field(attention, ATTENTION.kvHeads);
  const size = field(attention, ATTENTION.valueSize);
  const padded = pad8(size);
  const keyPad = pad8(field(attention, ATTENTION.keySize));
  const bytes = headBytes(keyPad, padded);
  for (let i = part; i < tokens * heads; i += parts) {
    const t = i / heads;
    const h = i % heads;
    const bits = bits32(<u32>copyRow(scratch, row(rows, t, 4) + (<usize>(h * size) << 2), size));
    const slot = first + t;
    const page = pageOf(table, slot, h, bytes) + (<usize>(PAGE_SLOTS * keyPad) << 1);
    const at = slot & (PAGE_SLOTS - 1);
    const to = page + (<usize>((at >> 5) * padded) << 5) + <usize>((at & 30) << 3) + <usize>(at & 1);
    const magnitudes = page + <usize>PAGE_SLOTS * <usize>(padded + 4) + (<usize>at << 2);
    const exponents = magnitudes + <usize>PAGE_SLOTS * 4;
    if (bits == 0) {
      for (let d = 0; d < padded; d++) store<i8>(to + valueStep(d), 0);
      store<i32>(magnitudes, 0);
      store<i32>(exponents, NOTHING);
      continue;
    }
    shiftRow(scratch, scratch, padded, 24 - bits);
    let magnitude = 0;
    for (let d = 0; d < size; d++) magnitude = max(magnitude, abs(load<i32>(scratch + (<usize>d << 2))));
    const inverse = (<i64>127 << 40) / <i64>magnitude;
    for (let d = 0; d < padded; d++) {
      const m = <i64>load<i32>(scratch + (<usize>d << 2));
      store<i8>(to + valueStep(d), <i8>((m * inverse + (<i64>1 << 39)) >> 40));
    }
    store<i32>(magnitudes, magnitude);
    store<i32>(exponents, rowExponent(head(rows, t)) + bits - 24);
  }
}

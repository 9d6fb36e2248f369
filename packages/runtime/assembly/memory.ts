/** Records: what JavaScript places once, at load, and passes as pointers. Their fields: src/engine/layout. */
import * as HEAD from "../src/engine/layout/head";
import * as ROWS from "../src/engine/layout/rows";

/** Threads that share this memory, this one included; at most 15. */
export let parts: i32 = 1;

/** Tells the module how many threads share its memory. */
export function setParts(count: i32): void {
  parts = count;
}

/** i32 field `index` of a record. */
@inline
export function field(record: usize, index: usize): i32 {
  return load<i32>(record + (index << 2));
}

/** The same, as an address. */
@inline
export function address(record: usize, index: usize): usize {
  return <usize>load<u32>(record + (index << 2));
}

/** Address of a token's row of `size`-byte elements. */
@inline
export function row(rows: usize, token: i32, size: usize): usize {
  return address(rows, ROWS.data) + <usize>token * (address(rows, ROWS.stride) * size);
}

/** Address of a token's head. */
@inline
export function head(rows: usize, token: i32): usize {
  return address(rows, ROWS.heads) + <usize>token * HEAD.bytes;
}

/** Bits of the largest |mantissa| of the row with this head. */
export function rowBits(head: usize): i32 {
  let or = load<i32>(head, HEAD.or << 2);
  for (let p = 1; p < parts; p++) or |= load<i32>(head + (<usize>p << 2), HEAD.or << 2);
  return 32 - <i32>clz(or);
}

/** Exponent of the row with this head. */
@inline
export function rowExponent(head: usize): i32 {
  return load<i32>(head, HEAD.exponent << 2);
}

/** Σ |q| of the activation with this head. */
@inline
export function rowL1(head: usize): i32 {
  return load<i32>(head, HEAD.l1 << 2);
}

/** Writes the head of a row that one thread made. */
export function setHead(head: usize, exponent: i32, or: i32): void {
  store<i32>(head, exponent, HEAD.exponent << 2);
  store<i32>(head, or, HEAD.or << 2);
  for (let p = 1; p < parts; p++) store<i32>(head + (<usize>p << 2), 0, HEAD.or << 2);
}

/** Writes the head of an activation. */
@inline
export function setActivationHead(head: usize, exponent: i32, l1: i32): void {
  store<i32>(head, exponent, HEAD.exponent << 2);
  store<i32>(head, l1, HEAD.l1 << 2);
}

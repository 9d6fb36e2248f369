/**
 * What lies where. JavaScript places every record below once, at load, and passes pointers.
 *
 * Rows (a block a token): { data, heads, stride }: data i32 [tokens][stride], zero beyond the width up to a multiple of 8;
 * heads HEAD bytes a token: { exponent, or[15] }, where the bitwise or of or[part] is that of all |mantissa|: it has the bits
 * of the largest one, and threads that made a share of a row each left their own.
 *
 * Activations (14 bits): the same record; data i16 [tokens][stride], zero beyond the width; heads { exponent, l1 }.
 *
 * Map (a matrix with its bias): { data, stride, plane, multipliers, multiplierBits, exponent, rows, columns, bias,
 * biasExponent, biasBits, sums }: int8 [rows][stride], zero beyond the columns up to the stride, a multiple of 16; plane: address of
 * the second int8 plane or 0; multipliers i32 [rows]; bias: i32 mantissas or 0; sums: i32 [rows] where
 * the module uses relaxed SIMD.
 *
 * Norm: { layer, epsSignificand, epsExponent, gain, gainExponent, bias, biasExponent, biasBits }: layer is 1 for LayerNorm.
 */

/** Bytes of the head of a token's row: one cache line. */
export const HEAD: usize = 64;

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
  return address(rows, 0) + <usize>token * (address(rows, 2) * size);
}

/** Address of a token's head. */
@inline
export function head(rows: usize, token: i32): usize {
  return address(rows, 1) + <usize>token * HEAD;
}

/** Bits of the largest |mantissa| of the row with this head. */
export function rowBits(head: usize): i32 {
  let or = load<i32>(head, 4);
  for (let p = 1; p < parts; p++) or |= load<i32>(head + (<usize>p << 2), 4);
  return 32 - <i32>clz(or);
}

/** Writes the head of a row that one thread made. */
export function setHead(head: usize, exponent: i32, or: i32): void {
  store<i32>(head, exponent);
  store<i32>(head, or, 4);
  for (let p = 1; p < parts; p++) store<i32>(head + (<usize>p << 2), 0, 4);
}

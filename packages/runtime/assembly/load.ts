/** Turns sealed spans into what the kernels read, in place, once. */
import { bits32, roundDiv, shift } from "./integer";

@inline
function significand(bits: u32): i32 {
  const fraction = bits & 0x7fffff;
  const magnitude = <i32>(bits & 0x7f800000 ? fraction | 0x800000 : fraction);
  return bits >> 31 ? -magnitude : magnitude;
}

@inline
function exponentOf(bits: u32): i32 {
  return max(1, <i32>((bits >> 23) & 0xff)) - 150;
}

/** Bits of the largest |mantissa| that {@link alignF32} left. */
let alignedBits: i32 = 0;

/** See `alignedBits`. */
export function lastBits(): i32 {
  return alignedBits;
}

/** Reads n f32 as significands aligned to the largest exponent, which it gives (0 for zeros); in place. */
export function alignF32(values: usize, n: i32): i32 {
  let exponent = i32.MIN_VALUE;
  for (let i = 0; i < n; i++) {
    const bits = load<u32>(values + (<usize>i << 2));
    if (bits << 1) exponent = max(exponent, exponentOf(bits));
  }
  if (exponent == i32.MIN_VALUE) exponent = 0;
  let or = 0;
  for (let i = 0; i < n; i++) {
    const at = values + (<usize>i << 2);
    const bits = load<u32>(at);
    const m = shift(significand(bits), exponentOf(bits) - exponent);
    store<i32>(at, m);
    or |= abs(m);
  }
  alignedBits = bits32(<u32>or);
  return exponent;
}

/** Multipliers of a two-plane matrix: m · 128 / 127, eight places finer. */
export function refineMultipliers(values: usize, n: i32): void {
  let or = 0;
  for (let i = 0; i < n; i++) {
    const at = values + (<usize>i << 2);
    const m = <i32>roundDiv(<i64>load<i32>(at) * 128, 127);
    store<i32>(at, m);
    or |= abs(m);
  }
  alignedBits = bits32(<u32>or);
}

/** Moves rows apart, first to last, and zeroes what lies between: from `columns` to `stride` bytes a row. */
export function spread(to: usize, from: usize, rows: i32, columns: i32, stride: i32): void {
  for (let r = 0; r < rows; r++) {
    memory.copy(to, from, columns);
    memory.fill(to + <usize>columns, 0, <usize>(stride - columns));
    to += <usize>stride;
    from += <usize>columns;
  }
}

/** Rotary positions. The mirror of src/reference/rope.ts. */
import { cosine, sine } from "./elementary";
import { mulShift } from "./integer";

/**
 * Sine and cosine of every pair at each token's position, times the magnitude, Q24: i32 [tokens][2 · paired], sines first,
 * `paired` = pairs rounded up to 4. Frequencies are u64 turns a position in units of 2^-64.
 */
export function rotations(
  frequencies: usize,
  pairs: i32,
  significand: i32,
  exponent: i32,
  positions: usize,
  tokens: i32,
  to: usize,
  part: i32,
  parts: i32,
): void {
  const paired = <usize>((pairs + 3) & ~3);
  for (let t = part; t < tokens; t += parts) {
    const position = <u64>load<u32>(positions + (<usize>t << 2));
    const sines = to + <usize>t * (paired << 3);
    const cosines = sines + (paired << 2);
    for (let i = 0; i < pairs; i++) {
      const turns = position * load<u64>(frequencies + (<usize>i << 3));
      store<i32>(sines + (<usize>i << 2), <i32>mulShift(sine(turns), significand, -exponent));
      store<i32>(cosines + (<usize>i << 2), <i32>mulShift(cosine(turns), significand, -exponent));
    }
  }
}

@inline
function combine(a: v128, c: v128, b: v128, s: v128, negate: bool): v128 {
  const half = i64x2.splat(1 << 23);
  const acLow = i64x2.extmul_low_i32x4_s(a, c);
  const acHigh = i64x2.extmul_high_i32x4_s(a, c);
  const bsLow = i64x2.extmul_low_i32x4_s(b, s);
  const bsHigh = i64x2.extmul_high_i32x4_s(b, s);
  const low = negate ? i64x2.sub(acLow, bsLow) : i64x2.add(acLow, bsLow);
  const high = negate ? i64x2.sub(acHigh, bsHigh) : i64x2.add(acHigh, bsHigh);
  return i32x4.shuffle(i64x2.shr_u(i64x2.add(low, half), 24), i64x2.shr_u(i64x2.add(high, half), 24), 0, 2, 4, 6);
}

/** Rotates `pairs` pairs of the 24-bit mantissas at x, in place: (i, i + pairs), or (2i, 2i + 1) where interleaved. */
export function rotateRow(x: usize, pairs: i32, interleaved: bool, table: usize): void {
  const sines = table;
  const cosines = table + (<usize>((pairs + 3) & ~3) << 2);
  let i = 0;
  for (; i + 4 <= pairs; i += 4) {
    const s = v128.load(sines + (<usize>i << 2));
    const c = v128.load(cosines + (<usize>i << 2));
    if (interleaved) {
      const at = x + (<usize>i << 3);
      const low = v128.load(at);
      const high = v128.load(at, 16);
      const a = i32x4.shuffle(low, high, 0, 2, 4, 6);
      const b = i32x4.shuffle(low, high, 1, 3, 5, 7);
      const first = combine(a, c, b, s, true);
      const second = combine(b, c, a, s, false);
      v128.store(at, i32x4.shuffle(first, second, 0, 4, 1, 5));
      v128.store(at, i32x4.shuffle(first, second, 2, 6, 3, 7), 16);
    } else {
      const first = x + (<usize>i << 2);
      const second = first + (<usize>pairs << 2);
      const a = v128.load(first);
      const b = v128.load(second);
      v128.store(first, combine(a, c, b, s, true));
      v128.store(second, combine(b, c, a, s, false));
    }
  }
  for (; i < pairs; i++) {
    const first = x + (<usize>(interleaved ? 2 * i : i) << 2);
    const second = x + (<usize>(interleaved ? 2 * i + 1 : i + pairs) << 2);
    const a = <i64>load<i32>(first);
    const b = <i64>load<i32>(second);
    const c = <i64>load<i32>(cosines + (<usize>i << 2));
    const s = <i64>load<i32>(sines + (<usize>i << 2));
    store<i32>(first, <i32>((a * c - b * s + (1 << 23)) >> 24));
    store<i32>(second, <i32>((b * c + a * s + (1 << 23)) >> 24));
  }
}

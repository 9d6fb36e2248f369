/** From powers to weights, and the weighted sum of a block of 32 values. The mirror of src/reference/attention.ts. */
import { bits32, bits64, roundShift } from "./integer";
import { blockLeast, MAX_SPREAD, powers, shiftProduct, spreadOf } from "./slot-block";
import { orLanes } from "./vector";

/** p = floor(p · magnitude / 2^(24 + common - exponent)) of a block's slots, in place; gives the or. */
export function weighBlock(p: usize, magnitudes: usize, exponents: usize, count: i32, common: i32): i32 {
  const spread = spreadOf(exponents, count);
  if (spread < 0 || spread > MAX_SPREAD) return weighSlots(p, magnitudes, exponents, common);
  const s = 24 + common - blockLeast;
  if (s > 63) {
    memory.fill(p, 0, 128);
    return 0;
  }
  const least = i32x4.splat(blockLeast);
  const none = i64x2.splat(0);
  let or = i32x4.splat(0);
  for (let j: usize = 0; j < 128; j += 16) {
    const m = i32x4.mul(v128.load(magnitudes + j), powers(i32x4.sub(v128.load(exponents + j), least)));
    const w = shiftProduct(v128.load(p + j), m, none, s);
    v128.store(p + j, w);
    or = v128.or(or, w);
  }
  return orLanes(or);
}

/** The same slot by slot, for any exponents. */
function weighSlots(p: usize, magnitudes: usize, exponents: usize, common: i32): i32 {
  let or = 0;
  for (let j: usize = 0; j < 128; j += 4) {
    const power = <i64>load<i32>(p + j);
    let w = 0;
    if (power != 0) {
      const s = min<i64>(63, 24 + <i64>common - <i64>load<i32>(exponents + j));
      w = <i32>((power * <i64>load<i32>(magnitudes + j)) >> s);
    }
    store<i32>(p + j, w);
    or |= w;
  }
  return or;
}

/** The 32 weights of {@link weighBlock} at p as i16, moved by s places. */
@inline
export function roundWeights(p: usize, to: usize, s: i32): void {
  const round = i32x4.splat((1 << s) >> 1);
  for (let j: usize = 0; j < 64; j += 16) {
    const low = i32x4.shr_s(i32x4.add(v128.load(p + (j << 1)), round), s);
    const high = i32x4.shr_s(i32x4.add(v128.load(p + (j << 1), 16), round), s);
    v128.store(to + j, i16x8.narrow_i32x4_s(low, high));
  }
}

/** sums += (Σ weights · values) · 2^s over one block: 32 · 2^14 · 127 = 2^26 fits in a lane. */
export function addValues(sums: usize, weights: usize, values: usize, valuePad: i32, s: i32): void {
  let d = 0;
  for (; d + 16 <= valuePad; d += 16) {
    let a = i32x4.splat(0);
    let b = i32x4.splat(0);
    let c = i32x4.splat(0);
    let e = i32x4.splat(0);
    let v = values + (<usize>d << 5);
    let j: usize = 0;
    do {
      const w = v128.load32_splat(weights + j);
      a = i32x4.add(a, i32x4.dot_i16x8_s(w, v128.load8x8_s(v)));
      b = i32x4.add(b, i32x4.dot_i16x8_s(w, v128.load8x8_s(v, 8)));
      c = i32x4.add(c, i32x4.dot_i16x8_s(w, v128.load8x8_s(v, 256)));
      e = i32x4.add(e, i32x4.dot_i16x8_s(w, v128.load8x8_s(v, 264)));
      v += 16;
      j += 4;
    } while (j < 64);
    const to = sums + (<usize>d << 3);
    addSums(to, a, s);
    addSums(to + 32, b, s);
    addSums(to + 64, c, s);
    addSums(to + 96, e, s);
  }
  for (; d < valuePad; d += 8) {
    let a = i32x4.splat(0);
    let b = i32x4.splat(0);
    let v = values + (<usize>d << 5);
    let j: usize = 0;
    do {
      const w = v128.load32_splat(weights + j);
      a = i32x4.add(a, i32x4.dot_i16x8_s(w, v128.load8x8_s(v)));
      b = i32x4.add(b, i32x4.dot_i16x8_s(w, v128.load8x8_s(v, 8)));
      v += 16;
      j += 4;
    } while (j < 64);
    const to = sums + (<usize>d << 3);
    addSums(to, a, s);
    addSums(to + 32, b, s);
  }
}

@inline
function addSums(to: usize, partial: v128, s: i32): void {
  v128.store(to, i64x2.add(v128.load(to), i64x2.shl(i64x2.extend_low_i32x4_s(partial), s)));
  v128.store(to, i64x2.add(v128.load(to, 16), i64x2.shl(i64x2.extend_high_i32x4_s(partial), s)), 16);
}

/** sums · 2^(exponent + 24) / (127 · total), as 26-bit mantissas. */
export function divide(sums: usize, n: i32, exponent: i32, total: i64, out: usize, info: usize): void {
  let or: i64 = 0;
  for (let d = 0; d < n; d++) {
    const x = load<i64>(sums + (<usize>d << 3));
    or |= x < 0 ? -x : x;
  }
  if (or == 0) {
    memory.fill(out, 0, <usize>n << 2);
    store<i64>(info, 0);
    return;
  }
  const size = bits64(or);
  const divisor = 127 * total;
  const down = bits64(divisor) - 26;
  const reciprocal = (<i64>1 << 51) / (down >= 0 ? roundShift(divisor, down) : divisor << <i64>-down);
  let bits = 0;
  for (let d = 0; d < n; d++) {
    const x = load<i64>(sums + (<usize>d << 3));
    const t = size >= 26 ? roundShift(x, size - 26) : x << <i64>(26 - size);
    const m = <i32>((t * reciprocal + (1 << 25)) >> 26);
    store<i32>(out + (<usize>d << 2), m);
    bits |= abs(m);
  }
  store<i32>(info, exponent + 24 + (size - 26) - down - 25);
  store<i32>(info, bits32(<u32>bits), 4);
}

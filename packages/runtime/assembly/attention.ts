/** Softmax attention over the integer cache. The mirror of the second half of src/reference/attention.ts. */
import { quantiseRow, quantiseShift } from "./block";
import { exp2 } from "./elementary";
import { exp2Lanes } from "./elementary-lanes";
import { headBytes, NOTHING, PAGE, pad8, pageOf } from "./heads";
import { bits32, bits64, mulShift, roundShift, shiftSaturating } from "./integer";
import { address, field, head, row } from "./memory";
import { orLanes, shiftRow } from "./vector";

/** Slots that share one exponent when probabilities are rounded. */
const BLOCK: i32 = 32;
const LIMIT: i64 = 0x40000000;

@inline
function limit(x: i64): i32 {
  return <i32>max<i64>(-LIMIT, min<i64>(LIMIT, x));
}

/**
 * softmax(q · k) · v of every head; token t stands in slot first + t and sees what is before it. Out: i32
 * [tokens][heads][valuePad] and a pair { exponent, bits } a token and head. `scores` holds an i32 a visible slot, rounded out to
 * blocks; `scratch` 4 KiB more than 8 · valuePad bytes.
 */
export function attend(
  attention: usize,
  q: usize,
  exponents: usize,
  tokens: i32,
  table: usize,
  first: i32,
  out: usize,
  info: usize,
  scores: usize,
  scratch: usize,
  part: i32,
  parts: i32,
): void {
  const heads = field(attention, 0);
  const keyPad = pad8(field(attention, 2));
  const valuePad = pad8(field(attention, 3));
  const window = field(attention, 6);
  for (let i = part; i < tokens * heads; i += parts) {
    const h = i / tokens;
    const t = i % tokens;
    const at = t * heads + h;
    const end = first + t + 1;
    const start = window == 0 ? 0 : max(0, end - window);
    attendHead(
      attention,
      h,
      q + (<usize>(at * keyPad) << 1),
      load<i32>(exponents + (<usize>at << 2)),
      table,
      start,
      end,
      out + (<usize>(at * valuePad) << 2),
      info + (<usize>at << 3),
      scores,
      scratch,
    );
  }
}

function attendHead(
  attention: usize,
  h: i32,
  q: usize,
  exponent: i32,
  table: usize,
  start: i32,
  end: i32,
  out: usize,
  info: usize,
  scores: usize,
  scratch: usize,
): void {
  const keyPad = pad8(field(attention, 2));
  const valuePad = pad8(field(attention, 3));
  const bytes = headBytes(keyPad, valuePad);
  const kvHead = (h * field(attention, 1)) / field(attention, 0);
  const significand = <i64>field(attention, 4);
  const base = exponent + field(attention, 5) + 16;
  const slopes = address(attention, 10);
  const sinks = address(attention, 11);
  const slope: i64 = slopes == 0 ? 0 : <i64>load<i32>(slopes + (<usize>h << 2));
  let largest = sinks == 0 ? i32.MIN_VALUE : load<i32>(sinks + (<usize>h << 2));
  let valueExponent = NOTHING;

  const from = start & ~(BLOCK - 1);
  for (let block = from; block < end; block += BLOCK) {
    const page = pageOf(table, block, kvHead, bytes);
    const at = block & (PAGE - 1);
    const keys = page + (<usize>(at * keyPad) << 1);
    const to = scores + (<usize>(block - from) << 2);
    dotKeys(q, keys, keyPad, to);
    dotKeys(q, keys + (<usize>keyPad << 5), keyPad, to + 64);
    const keyExponents = page + <usize>PAGE * <usize>(2 * keyPad + valuePad) + (<usize>at << 2);
    const valueExponents = keyExponents + <usize>PAGE * 8;
    const low = max(0, start - block);
    const high = min(BLOCK, end - block);
    const even = slopes == 0 && scoreBlock(to, keyExponents, high, significand, base);
    for (let j = low; j < high; j++) {
      let s = load<i32>(to + (<usize>j << 2));
      if (!even) {
        const product = <i64>s * significand;
        const k = base + load<i32>(keyExponents + (<usize>j << 2));
        s = k > -24 ? shiftSaturating(roundShift(product, 24), k + 24) : limit(roundShift(product, -k));
        if (slopes != 0) s = limit(<i64>s - mulShift(slope, <i64>(end - 1 - (block + j)), 8));
        store<i32>(to + (<usize>j << 2), s);
      }
      largest = max(largest, s);
      valueExponent = max(valueExponent, load<i32>(valueExponents + (<usize>j << 2)));
    }
  }
  // Slots that are not visible get a score whose power is zero.
  const hidden = largest - (26 << 16);
  for (let j = from; j < start; j++) store<i32>(scores + (<usize>(j - from) << 2), hidden);
  for (let j = end; j & (BLOCK - 1); j++) store<i32>(scores + (<usize>(j - from) << 2), hidden);

  const sums = scratch;
  memory.fill(sums, 0, <usize>valuePad << 3);
  const weights = scratch + (<usize>valuePad << 3);
  let total = i64x2.splat(0);
  const none = valueExponent == NOTHING;
  const common = none ? 0 : valueExponent;
  const max4 = i32x4.splat(largest);
  for (let block = from; block < end; block += BLOCK) {
    const page = pageOf(table, block, kvHead, bytes);
    const at = block & (PAGE - 1);
    const magnitudes = page + <usize>PAGE * <usize>(2 * keyPad + valuePad + 4) + (<usize>at << 2);
    const valueExponents = magnitudes + <usize>PAGE * 4;
    const p = scores + (<usize>(block - from) << 2);
    for (let j: usize = 0; j < 128; j += 16) {
      const power = exp2Lanes(i32x4.sub(max4, v128.load(p + j)));
      v128.store(p + j, power);
      total = i64x2.add(total, i64x2.add(i64x2.extend_low_i32x4_u(power), i64x2.extend_high_i32x4_u(power)));
    }
    if (none) continue;
    const or = weighBlock(p, magnitudes, valueExponents, min(BLOCK, end - block), common);
    if (or == 0) continue;
    const s = max(0, bits32(<u32>or) - 14);
    const round = i32x4.splat((1 << s) >> 1);
    for (let j: usize = 0; j < 64; j += 16) {
      const low = i32x4.shr_s(i32x4.add(v128.load(p + (j << 1)), round), s);
      const high = i32x4.shr_s(i32x4.add(v128.load(p + (j << 1), 16), round), s);
      v128.store(weights + j, i16x8.narrow_i32x4_s(low, high));
    }
    addValues(sums, weights, page + (<usize>(PAGE * keyPad) << 1) + <usize>(at * valuePad), valuePad, s);
  }
  let sum = i64x2.extract_lane(total, 0) + i64x2.extract_lane(total, 1);
  if (sinks != 0) sum += <i64>exp2(load<i32>(sinks + (<usize>h << 2)) - largest);
  divide(sums, valuePad, common, sum, out, info);
}

/** The least exponent that {@link spreadOf} saw. */
let blockLeast: i32 = 0;

/** The difference between the largest and the least exponent of a block's first `count` slots. */
@inline
function spreadOf(exponents: usize, count: i32): i32 {
  // Slots that nothing was written to yet count as the last one that was.
  const last = v128.load32_splat(exponents + (<usize>(count - 1) << 2));
  const end = i32x4.splat(count);
  let slot = i32x4(0, 1, 2, 3);
  let least = last;
  let most = last;
  for (let j: usize = 0; j < 128; j += 16) {
    const e = v128.bitselect(v128.load(exponents + j), last, i32x4.lt_s(slot, end));
    slot = i32x4.add(slot, i32x4.splat(4));
    least = i32x4.min_s(least, e);
    most = i32x4.max_s(most, e);
  }
  least = i32x4.min_s(least, i32x4.shuffle(least, least, 2, 3, 0, 1));
  most = i32x4.max_s(most, i32x4.shuffle(most, most, 2, 3, 0, 1));
  blockLeast = min(i32x4.extract_lane(least, 0), i32x4.extract_lane(least, 1));
  // A wrapped difference (a zero value's exponent) is negative or large.
  return max(i32x4.extract_lane(most, 0), i32x4.extract_lane(most, 1)) - blockLeast;
}

/** 2^d of lanes 0 <= d <= 6. */
@inline
function powers(d: v128): v128 {
  return i8x16.swizzle(i8x16(1, 2, 4, 8, 16, 32, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0), v128.or(d, i32x4.splat(-256)));
}

/** The largest difference of exponents that still fits: 25 bits of significand and 6 make 31. */
const MAX_SPREAD: i32 = 6;

/**
 * Scores of a whole block at once, where its keys' exponents lie close and no score can reach its limit: a key's exponent moves into
 * the factor, so that one shift serves all. False, and nothing done, elsewhere.
 */
@inline
function scoreBlock(dots: usize, exponents: usize, count: i32, significand: i64, base: i32): bool {
  const spread = spreadOf(exponents, count);
  if (spread < 0 || spread > MAX_SPREAD) return false;
  const s = -(base + blockLeast);
  let or = i32x4.splat(0);
  for (let j: usize = 0; j < 128; j += 16) or = v128.or(or, i32x4.abs(v128.load(dots + j)));
  const size = bits32(<u32>orLanes(or)) + bits64(significand) + spread;
  if (s < 24 + spread || s > 62 || size - s > 29) return false;
  const least = i32x4.splat(blockLeast);
  const factor = i32x4.splat(<i32>significand);
  const half = i64x2.splat(<i64>1 << <i64>(s - 1));
  for (let j: usize = 0; j < 128; j += 16) {
    const f = i32x4.mul(factor, powers(i32x4.sub(v128.load(exponents + j), least)));
    v128.store(dots + j, shiftProduct(v128.load(dots + j), f, half, s));
  }
  return true;
}

/** (a · b + half) >> s where the result fits in 32 bits, 0 <= s <= 63. */
@inline
function shiftProduct(a: v128, b: v128, half: v128, s: i32): v128 {
  const low = i64x2.add(i64x2.extmul_low_i32x4_s(a, b), half);
  const high = i64x2.add(i64x2.extmul_high_i32x4_s(a, b), half);
  return s <= 32
    ? i32x4.shuffle(i64x2.shr_u(low, s), i64x2.shr_u(high, s), 0, 2, 4, 6)
    : i32x4.shr_s(i32x4.shuffle(low, high, 1, 3, 5, 7), s - 32);
}

/** p = floor(p · magnitude / 2^(24 + common - exponent)) of a block's slots, in place; gives the or. */
@inline
function weighBlock(p: usize, magnitudes: usize, exponents: usize, count: i32, common: i32): i32 {
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

/** Sixteen scores: q · k for four groups of four slots. */
@inline
function dotKeys(q: usize, keys: usize, keyPad: i32, to: usize): void {
  const group = <usize>keyPad << 3;
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  let c = i32x4.splat(0);
  let d = i32x4.splat(0);
  const end = q + (<usize>keyPad << 1);
  for (; q < end; q += 4) {
    const x = v128.load32_splat(q);
    a = i32x4.add(a, i32x4.dot_i16x8_s(x, v128.load(keys)));
    b = i32x4.add(b, i32x4.dot_i16x8_s(x, v128.load(keys + group)));
    c = i32x4.add(c, i32x4.dot_i16x8_s(x, v128.load(keys + 2 * group)));
    d = i32x4.add(d, i32x4.dot_i16x8_s(x, v128.load(keys + 3 * group)));
    keys += 16;
  }
  v128.store(to, a);
  v128.store(to, b, 16);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
}

/** sums += (Σ weights · values) · 2^s over one block: 32 · 2^14 · 127 = 2^26 fits in a lane. */
@inline
function addValues(sums: usize, weights: usize, values: usize, valuePad: i32, s: i32): void {
  const stride = <usize>valuePad << 1;
  let d = 0;
  for (; d + 16 <= valuePad; d += 16) {
    let a = i32x4.splat(0);
    let b = i32x4.splat(0);
    let c = i32x4.splat(0);
    let e = i32x4.splat(0);
    let v = values + (<usize>d << 1);
    for (let j: usize = 0; j < 64; j += 4) {
      const w = v128.load32_splat(weights + j);
      a = i32x4.add(a, i32x4.dot_i16x8_s(w, v128.load8x8_s(v)));
      b = i32x4.add(b, i32x4.dot_i16x8_s(w, v128.load8x8_s(v, 8)));
      c = i32x4.add(c, i32x4.dot_i16x8_s(w, v128.load8x8_s(v, 16)));
      e = i32x4.add(e, i32x4.dot_i16x8_s(w, v128.load8x8_s(v, 24)));
      v += stride;
    }
    const to = sums + (<usize>d << 3);
    addSums(to, a, s);
    addSums(to + 32, b, s);
    addSums(to + 64, c, s);
    addSums(to + 96, e, s);
  }
  for (; d < valuePad; d += 8) {
    let a = i32x4.splat(0);
    let b = i32x4.splat(0);
    let v = values + (<usize>d << 1);
    for (let j: usize = 0; j < 64; j += 4) {
      const w = v128.load32_splat(weights + j);
      a = i32x4.add(a, i32x4.dot_i16x8_s(w, v128.load8x8_s(v)));
      b = i32x4.add(b, i32x4.dot_i16x8_s(w, v128.load8x8_s(v, 8)));
      v += stride;
    }
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
function divide(sums: usize, n: i32, exponent: i32, total: i64, out: usize, info: usize): void {
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

/** Heads side by side at one exponent, rounded to a 14-bit activation. */
export function joinHeads(
  attention: usize,
  heads: usize,
  info: usize,
  tokens: i32,
  to: usize,
  scratch: usize,
  part: i32,
  parts: i32,
): void {
  const count = field(attention, 0);
  const size = field(attention, 3);
  const valuePad = pad8(size);
  const width = count * size;
  const padded = pad8(width);
  for (let t = part; t < tokens; t += parts) {
    let top = i32.MIN_VALUE;
    for (let h = 0; h < count; h++) {
      const at = info + (<usize>(t * count + h) << 3);
      const bits = load<i32>(at, 4);
      if (bits != 0) top = max(top, load<i32>(at) + bits);
    }
    const exponent = top == i32.MIN_VALUE ? 0 : top - 29;
    let or = 0;
    for (let h = 0; h < count; h++) {
      const at = t * count + h;
      const k = load<i32>(info + (<usize>at << 3)) - exponent;
      const zero = load<i32>(info + (<usize>at << 3), 4) == 0;
      // Writes up to seven zeros beyond the head, which the next one overwrites.
      or |= shiftRow(scratch + (<usize>(h * size) << 2), heads + (<usize>(at * valuePad) << 2), valuePad, zero ? 0 : k);
    }
    memory.fill(scratch + (<usize>width << 2), 0, <usize>(((width + 31) & ~31) - width) << 2);
    const s = quantiseShift(bits32(<u32>or), 14);
    const q = row(to, t, 2);
    const l1 = quantiseRow(q, scratch, padded, s, 14, -8192);
    memory.fill(q + (<usize>padded << 1), 0, <usize>(((width + 31) & ~31) - padded) << 1);
    const out = head(to, t);
    store<i32>(out, exponent + s);
    store<i32>(out, l1, 4);
  }
}

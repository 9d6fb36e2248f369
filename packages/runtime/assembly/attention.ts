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
    const last = min(BLOCK, end - block);
    for (let j = max(0, start - block); j < last; j++) {
      const product = <i64>load<i32>(to + (<usize>j << 2)) * significand;
      const k = base + load<i32>(keyExponents + (<usize>j << 2));
      let s = k > -24 ? shiftSaturating(roundShift(product, 24), k + 24) : limit(roundShift(product, -k));
      if (slopes != 0) s = limit(<i64>s - mulShift(slope, <i64>(end - 1 - (block + j)), 8));
      store<i32>(to + (<usize>j << 2), s);
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
    let or: i64 = 0;
    for (let j = 0; j < BLOCK; j++) {
      const power = <i64>load<i32>(p + (<usize>j << 2));
      let w: i64 = 0;
      if (power != 0) {
        const s = min<i64>(63, 24 + <i64>common - <i64>load<i32>(valueExponents + (<usize>j << 2)));
        w = (power * <i64>load<i32>(magnitudes + (<usize>j << 2))) >> s;
      }
      store<i32>(p + (<usize>j << 2), <i32>w);
      or |= w;
    }
    if (or == 0) continue;
    const s = max(0, bits64(or) - 14);
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

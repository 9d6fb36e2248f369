/**
 * Mixture of experts: who goes where, and what comes back. The mirror of src/reference/router.ts and of the sum in
 * interpreter.ts.
 */
import * as CHOICE from "../src/engine/layout/choice";
import * as ROUTER from "../src/engine/layout/router";
import { addRow, sumExponent } from "./block";
import { exp2Wide, LOG2E_Q30, ratioQ30, sigmoidWide } from "./elementary";
import { mulShift, shiftSaturating } from "./integer";
import { address, field, head, row, rowBits, rowExponent, rowL1, setActivationHead, setHead } from "./memory";
import { halfOf, mulShift4, orLanes } from "./vector";

/** Chooses experts from logits, tokens of this part. `scratch`: 40 bytes an expert and group. */
export function chooseExperts(
  router: usize,
  logits: usize,
  tokens: i32,
  choices: usize,
  scratch: usize,
  part: i32,
  parts: i32,
): void {
  const count = field(router, ROUTER.count);
  const used = field(router, ROUTER.used);
  const scores = scratch;
  const values = scores + (<usize>count << 3);
  const taken = values + (<usize>count << 3);
  for (let t = part; t < tokens; t += parts) {
    const x = row(logits, t, 4);
    score(router, x, rowExponent(head(logits, t)), scores);
    const bias = address(router, ROUTER.bias);
    const sums = field(router, ROUTER.groups) != 0 && field(router, ROUTER.groupTop) > 1;
    for (let e: usize = 0; e < <usize>count; e++) {
      const s = load<i64>(scores + (e << 3));
      store<i64>(
        values + (e << 3),
        bias != 0 ? s + load<i64>(bias + (e << 3)) : sums ? s : <i64>load<i32>(x + (e << 2)),
      );
    }
    // taken: 0 may be chosen, 1 stands outside the best groups, 2 is chosen.
    memory.fill(taken, 0, count);
    if (field(router, ROUTER.groups) != 0) keepGroups(router, values, taken, taken + <usize>count);
    for (let i = 0; i < used; i++) {
      const e = best(values, taken, 0, count);
      store<u8>(taken + <usize>e, 2);
    }
    let sum: i64 = 0;
    for (let e: usize = 0; e < <usize>count; e++) if (load<u8>(taken + e) == 2) sum += load<i64>(scores + (e << 3));
    let to = choices + <usize>(t * used) * CHOICE.bytes;
    for (let e: usize = 0; e < <usize>count; e++) {
      if (load<u8>(taken + e) != 2) continue;
      const s = load<i64>(scores + (e << 3));
      const share = field(router, ROUTER.normalised) ? ratioQ30(s, sum) : s;
      store<i32>(to, <i32>e, CHOICE.expert << 2);
      store<i32>(to, <i32>mulShift(share, <i64>field(router, ROUTER.scaleSignificand), 24), CHOICE.factor << 2);
      store<i32>(to, field(router, ROUTER.scaleExponent) + 24, CHOICE.exponent << 2);
      to += CHOICE.bytes;
    }
  }
}

/** Softmax or sigmoid of the logits, Q30. */
function score(router: usize, x: usize, exponent: i32, scores: usize): void {
  const count = field(router, ROUTER.count);
  let largest: i64 = i64.MIN_VALUE;
  for (let e: usize = 0; e < <usize>count; e++) {
    const l = shiftSaturating(load<i32>(x + (e << 2)), exponent + 20); // Q20
    store<i64>(scores + (e << 3), field(router, ROUTER.sigmoid) ? <i64>sigmoidWide(l) : <i64>l);
    largest = max<i64>(largest, <i64>l);
  }
  if (field(router, ROUTER.sigmoid)) return;
  let total: i64 = 0;
  for (let e: usize = 0; e < <usize>count; e++) {
    const power = exp2Wide(mulShift(load<i64>(scores + (e << 3)) - largest, LOG2E_Q30, 30));
    store<i64>(scores + (e << 3), power);
    total += power;
  }
  for (let e: usize = 0; e < <usize>count; e++) {
    store<i64>(scores + (e << 3), ratioQ30(load<i64>(scores + (e << 3)), total));
  }
}

/** The first index in [from, to) of the largest value that is not taken; -1 where all are. */
function best(values: usize, taken: usize, from: i32, to: i32): i32 {
  let at = -1;
  let value: i64 = 0;
  for (let e = from; e < to; e++) {
    if (load<u8>(taken + <usize>e) != 0) continue;
    const v = load<i64>(values + (<usize>e << 3));
    if (at < 0 || v > value) {
      at = e;
      value = v;
    }
  }
  return at;
}

/** Marks the experts outside the best groups; a group is worth the sum of its `top` best. */
function keepGroups(router: usize, values: usize, taken: usize, scratch: usize): void {
  const groups = field(router, ROUTER.groups);
  const size = field(router, ROUTER.count) / groups;
  const worth = (scratch + 7) & ~7;
  const out = worth + (<usize>groups << 3);
  for (let g = 0; g < groups; g++) {
    let sum: i64 = 0;
    for (let i = 0; i < field(router, ROUTER.groupTop); i++) {
      const e = best(values, taken, g * size, (g + 1) * size);
      store<u8>(taken + <usize>e, 1);
      sum += load<i64>(values + (<usize>e << 3));
    }
    store<i64>(worth + (<usize>g << 3), sum);
    memory.fill(taken + <usize>(g * size), 0, <usize>size);
  }
  memory.fill(out, 0, <usize>groups);
  memory.fill(taken, 1, <usize>(size * groups));
  for (let i = 0; i < field(router, ROUTER.groupsUsed); i++) {
    const g = best(worth, out, 0, groups);
    store<u8>(out + <usize>g, 1);
    memory.fill(taken + <usize>(g * size), 0, <usize>size);
  }
}

@inline
function expertOf(choices: usize, i: i32): i32 {
  return field(choices + <usize>i * CHOICE.bytes, CHOICE.expert);
}

/**
 * Sorts choices by expert: offsets i32 [count + 1], then entries i32 [tokens · used], each the index of a choice, in
 * ascending token.
 */
export function sortChoices(choices: usize, tokens: i32, used: i32, count: i32, lists: usize): void {
  const n = tokens * used;
  const entries = lists + (<usize>(count + 1) << 2);
  memory.fill(lists, 0, <usize>(count + 1) << 2);
  for (let i = 0; i < n; i++) {
    const at = lists + (<usize>(expertOf(choices, i) + 1) << 2);
    store<i32>(at, load<i32>(at) + 1);
  }
  for (let e: usize = 1; e <= <usize>count; e++) {
    store<i32>(lists + (e << 2), load<i32>(lists + (e << 2)) + load<i32>(lists + (e << 2) - 4));
  }
  // Filling moves each start to its end, which is the next one's start: filled from the last choice down, starts come right.
  for (let i = n - 1; i >= 0; i--) {
    const at = lists + (<usize>(expertOf(choices, i) + 1) << 2);
    const end = load<i32>(at) - 1;
    store<i32>(at, end);
    store<i32>(entries + (<usize>end << 2), i);
  }
  // Now lists[e + 1] is the start of expert e: move all one down.
  for (let e: usize = 0; e < <usize>count; e++) store<i32>(lists + (e << 2), load<i32>(lists + (e << 2) + 4));
  store<i32>(lists + (<usize>count << 2), n);
}

/** Copies the activations of an expert's tokens, side by side. */
export function gather(x: usize, entries: usize, n: i32, used: i32, width: i32, to: usize, part: i32, parts: i32): void {
  const bytes = <usize>((width + 31) & ~31) << 1;
  for (let i = part; i < n; i += parts) {
    const t = load<i32>(entries + (<usize>i << 2)) / used;
    memory.copy(row(to, i, 2), row(x, t, 2), bytes);
    setActivationHead(head(to, i), rowExponent(head(x, t)), rowL1(head(x, t)));
  }
}

/** sum[token] = y · weight for the first choice of a token, += for the others. */
export function scatter(
  y: usize,
  choices: usize,
  entries: usize,
  n: i32,
  used: i32,
  width: i32,
  sum: usize,
  part: i32,
  parts: i32,
): void {
  for (let i = part; i < n; i += parts) {
    const at = load<i32>(entries + (<usize>i << 2));
    const choice = choices + <usize>at * CHOICE.bytes;
    accumulate(y, i, field(choice, CHOICE.factor), field(choice, CHOICE.exponent), sum, at / used, at % used == 0, width);
  }
}

/** The same of the shared expert, weighted by the sigmoid of `gate` where it is not 0. */
export function addShared(y: usize, gate: usize, tokens: i32, width: i32, sum: usize, part: i32, parts: i32): void {
  for (let t = part; t < tokens; t += parts) {
    if (gate == 0) {
      const hs = head(sum, t);
      const hy = head(y, t);
      const to = row(sum, t, 4);
      const n = (width + 7) & ~7;
      const or = addRow(to, to, rowBits(hs), rowExponent(hs), row(y, t, 4), rowBits(hy), rowExponent(hy), n);
      setHead(hs, sumExponent, or);
    } else {
      const factor = sigmoidWide(shiftSaturating(load<i32>(row(gate, t, 4)), rowExponent(head(gate, t)) + 20));
      accumulate(y, t, factor, 0, sum, t, false, width);
    }
  }
}

/** y · factor / 2^30 · 2^exponent, into or onto a token's sum; y is overwritten. */
function accumulate(y: usize, i: i32, factor: i32, exponent: i32, sum: usize, t: i32, first: bool, width: i32): void {
  const n = (width + 7) & ~7;
  const from = row(y, i, 4);
  const to = row(sum, t, 4);
  const hs = head(sum, t);
  const e = rowExponent(head(y, i)) + exponent;
  const or = scaleRow(first ? to : from, from, factor, n);
  if (first) setHead(hs, e, or);
  else {
    const bits = 32 - <i32>clz(or);
    const total = addRow(to, to, rowBits(hs), rowExponent(hs), from, bits, e, n);
    setHead(hs, sumExponent, total);
  }
}

/** to = round(x · factor / 2^30), |factor| <= 2^30; gives the or. */
export function scaleRow(to: usize, x: usize, factor: i32, n: i32): i32 {
  const half = halfOf(30);
  const f = i32x4.splat(factor);
  let or = i32x4.splat(0);
  for (let i: usize = 0; i < <usize>n << 2; i += 16) {
    const v = mulShift4(v128.load(x + i), f, half, 30);
    v128.store(to + i, v);
    or = v128.or(or, i32x4.abs(v));
  }
  return orLanes(or);
}

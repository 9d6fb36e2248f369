/**
 * Softmax attention over the integer cache. The mirror of the second half of src/reference/attention.ts.
 *
 * Queries that share keys (tokens of a chunk, heads of a group) are taken up to QUERIES at a time: each page of the cache is read once
 * for all of them, first for their scores, then, their largest known, for the values.
 *
 * Query record, in the scratch: { q, exponent, slope, start, end, scores, sums, largest, valueExponent, at, total i64 }: slots
 * [start, end) are visible; scores i32 a slot from `start` rounded down to a block; at: which of the chunk's heads it is.
 */
import { dotBlock, scoreSlots } from "./attention-scores";
import { addValues, divide, roundWeights, weighBlock } from "./attention-values";
import { exp2 } from "./elementary";
import { exp2Lanes } from "./elementary-lanes";
import { headBytes, NOTHING, PAGE, pad8, pageOf } from "./heads";
import { bits32 } from "./integer";
import { address, field } from "./memory";
import { BLOCK, largestOf } from "./slot-block";
import { touch } from "./touch";

/** Queries of a group: their sums and a page of keys stay in the first-level cache. */
const QUERIES: i32 = 8;
/**
 * Slots whose keys, and then values, are brought to the core's caches before they are used: 128 KiB of keys of 64 dims. Many at a time keep
 * all of memory's lanes busy, where reading on the way leaves most of it waiting: a page is too short for what fetches ahead by itself.
 */
const STRETCH: i32 = 16 * PAGE;
/** Bytes of a query record. */
const RECORD: usize = 48;

/**
 * softmax(q · k) · v of every head; token t stands in slot first + t and sees what is before it. Out: i32
 * [tokens][heads][valuePad] and a pair { exponent, bits } a token and head. `scores` holds QUERIES times an i32 for each of first +
 * tokens slots and 64 more; `scratch` 1 KiB more than 8 · valuePad bytes for each of QUERIES. The work is shared by groups.
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
  const kvHeads = field(attention, 1);
  const valuePad = pad8(field(attention, 3));
  const each = (heads / kvHeads) * tokens; // queries of a key-value head
  const groups = (each + QUERIES - 1) / QUERIES;
  for (let g = part; g < groups * kvHeads; g += parts) {
    const kvHead = g / groups;
    const from = (g % groups) * QUERIES;
    const count = min(QUERIES, each - from);
    for (let i = 0; i < count; i++) {
      const h = kvHead * (heads / kvHeads) + (from + i) / tokens;
      openQuery(attention, scratch, i, h, (from + i) % tokens, q, exponents, first, tokens, scores);
    }
    attendGroup(attention, scratch, count, kvHead, table);
    for (let i = 0; i < count; i++) closeQuery(attention, scratch + <usize>i * RECORD, valuePad, out, info);
  }
}

/** Writes the i-th record of a group. */
function openQuery(
  attention: usize,
  scratch: usize,
  i: i32,
  h: i32,
  t: i32,
  q: usize,
  exponents: usize,
  first: i32,
  tokens: i32,
  scores: usize,
): void {
  const record = scratch + <usize>i * RECORD;
  const window = field(attention, 6);
  const slopes = address(attention, 10);
  const sinks = address(attention, 11);
  const valueBytes = <usize>pad8(field(attention, 3)) << 3;
  const at = t * field(attention, 0) + h;
  const end = first + t + 1;
  const sums = sumsOf(scratch) + <usize>i * valueBytes;
  memory.fill(sums, 0, valueBytes);
  store<u32>(record, <u32>(q + (<usize>(at * pad8(field(attention, 2))) << 1)));
  store<i32>(record, load<i32>(exponents + (<usize>at << 2)), 4);
  store<i32>(record, slopes == 0 ? 0 : load<i32>(slopes + (<usize>h << 2)), 8);
  store<i32>(record, window == 0 ? 0 : max(0, end - window), 12);
  store<i32>(record, end, 16);
  store<u32>(record, <u32>(scores + <usize>i * (<usize>((first + tokens + 63) & ~31) << 2)), 20);
  store<u32>(record, <u32>sums, 24);
  store<i32>(record, sinks == 0 ? i32.MIN_VALUE : load<i32>(sinks + (<usize>h << 2)), 28);
  store<i32>(record, NOTHING, 32);
  store<i32>(record, at, 36);
  store<i64>(record, 0, 40);
}

/** Where the sums of a group lie; the 64 bytes before them hold a block's weights. */
@inline
function sumsOf(scratch: usize): usize {
  return scratch + <usize>QUERIES * RECORD + 64;
}

/** Both passes of a group over the pages that any of its queries sees. */
function attendGroup(attention: usize, records: usize, count: i32, kvHead: i32, table: usize): void {
  const keyPad = pad8(field(attention, 2));
  const bytes = headBytes(keyPad, pad8(field(attention, 3)));
  const keys = <usize>(PAGE * keyPad) << 1;
  let start = i32.MAX_VALUE;
  let end = 0;
  for (let i = 0; i < count; i++) {
    const record = records + <usize>i * RECORD;
    start = min(start, field(record, 3));
    end = max(end, field(record, 4));
  }
  const first = start & ~(PAGE - 1);
  const short = end - first <= STRETCH;
  for (let slot = first; slot < end; slot += PAGE) {
    if (((slot - first) & (STRETCH - 1)) == 0) touchPages(table, slot, end, kvHead, bytes, 0, short ? bytes : keys);
    const page = pageOf(table, slot, kvHead, bytes);
    for (let i = 0; i < count; i++) scorePage(attention, records + <usize>i * RECORD, page, slot);
  }
  for (let i = 0; i < count; i++) hideSlots(records + <usize>i * RECORD);
  for (let slot = first; slot < end; slot += PAGE) {
    if (!short && ((slot - first) & (STRETCH - 1)) == 0) touchPages(table, slot, end, kvHead, bytes, keys, bytes);
    const page = pageOf(table, slot, kvHead, bytes);
    for (let i = 0; i < count; i++) weighPage(attention, records + <usize>i * RECORD, page, slot, sumsOf(records) - 64);
  }
}

/** Reads ahead bytes [from, to) of a head's share of each page of a stretch. */
function touchPages(table: usize, slot: i32, end: i32, kvHead: i32, bytes: usize, from: usize, to: usize): void {
  for (const last = min(end, slot + STRETCH); slot < last; slot += PAGE) {
    const page = pageOf(table, slot, kvHead, bytes);
    touch(page + from, page + to);
  }
}

/** Scores of a page's slots that a query sees, and the largest of them and of their values' exponents. */
function scorePage(attention: usize, record: usize, page: usize, slot: i32): void {
  const start = field(record, 3);
  const end = field(record, 4);
  const keyPad = pad8(field(attention, 2));
  const from = start & ~(BLOCK - 1);
  const base = field(record, 1) + field(attention, 5) + 16;
  const significand = <i64>field(attention, 4);
  const keyExponents = page + <usize>PAGE * <usize>(2 * keyPad + pad8(field(attention, 3)));
  let largest = field(record, 7);
  let valueExponent = field(record, 8);
  for (let block = max(slot, from); block < min(slot + PAGE, end); block += BLOCK) {
    const at = <usize>(block - slot);
    const to = address(record, 5) + (<usize>(block - from) << 2);
    const exponents = keyExponents + (at << 2);
    const low = max(0, start - block);
    const high = min(BLOCK, end - block);
    const keys = page + ((at * <usize>keyPad) << 1);
    dotBlock(address(record, 0), keys, keyPad, to);
    scoreSlots(to, exponents, low, high, significand, base, <i64>field(record, 2), end - 1 - block);
    largest = max(largest, largestOf(to, low, high));
    valueExponent = max(valueExponent, largestOf(exponents + <usize>PAGE * 8, low, high));
  }
  store<i32>(record, largest, 28);
  store<i32>(record, valueExponent, 32);
}

/** Gives the slots of a query's first and last block that it does not see a score whose power is zero. */
function hideSlots(record: usize): void {
  const start = field(record, 3);
  const end = field(record, 4);
  const from = start & ~(BLOCK - 1);
  const scores = address(record, 5);
  const hidden = field(record, 7) - (26 << 16);
  for (let j = from; j < start; j++) store<i32>(scores + (<usize>(j - from) << 2), hidden);
  for (let j = end; j & (BLOCK - 1); j++) store<i32>(scores + (<usize>(j - from) << 2), hidden);
}

/** Adds a page's values, weighted, to a query's sums, and its powers to the total. */
function weighPage(attention: usize, record: usize, page: usize, slot: i32, weights: usize): void {
  const end = field(record, 4);
  const keyPad = pad8(field(attention, 2));
  const valuePad = pad8(field(attention, 3));
  const from = field(record, 3) & ~(BLOCK - 1);
  const common = field(record, 8);
  const values = page + (<usize>(PAGE * keyPad) << 1);
  const magnitudes = values + <usize>PAGE * <usize>(valuePad + 4);
  const largest = i32x4.splat(field(record, 7));
  let total = i64x2.replace_lane(i64x2.splat(0), 0, load<i64>(record, 40));
  for (let block = max(slot, from); block < min(slot + PAGE, end); block += BLOCK) {
    const at = <usize>(block - slot);
    const p = address(record, 5) + (<usize>(block - from) << 2);
    let j: usize = 0;
    do {
      const power = exp2Lanes(i32x4.sub(largest, v128.load(p + j)));
      v128.store(p + j, power);
      total = i64x2.add(total, i64x2.add(i64x2.extend_low_i32x4_u(power), i64x2.extend_high_i32x4_u(power)));
      j += 16;
    } while (j < 128);
    if (common == NOTHING) continue;
    const m = magnitudes + (at << 2);
    const or = weighBlock(p, m, m + <usize>PAGE * 4, min(BLOCK, end - block), common);
    if (or == 0) continue;
    const s = max(0, bits32(<u32>or) - 14);
    roundWeights(p, weights, s);
    addValues(address(record, 6), weights, values + at * <usize>valuePad, valuePad, s);
  }
  store<i64>(record, i64x2.extract_lane(total, 0) + i64x2.extract_lane(total, 1), 40);
}

/** Divides a query's sums by its total, the sink's share included. */
function closeQuery(attention: usize, record: usize, valuePad: i32, out: usize, info: usize): void {
  const at = field(record, 9);
  const sinks = address(attention, 11);
  const common = field(record, 8);
  let total = load<i64>(record, 40);
  if (sinks != 0) {
    const h = at % field(attention, 0);
    total += <i64>exp2(load<i32>(sinks + (<usize>h << 2)) - field(record, 7));
  }
  const to = out + (<usize>(at * valuePad) << 2);
  divide(address(record, 6), valuePad, common == NOTHING ? 0 : common, total, to, info + (<usize>at << 3));
}

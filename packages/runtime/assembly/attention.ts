/**
 * Softmax attention over the integer cache. The mirror of the second half of src/reference/attention.ts.
 *
 * Queries that share keys (tokens of a chunk, heads of a group) are taken up to QUERIES at a time: each page of the cache is read once
 * for all of them, first for their scores, then, their largest known, for the values.
 */
import * as ATTENTION from "../src/engine/layout/attention";
import { BLOCK_SLOTS, NOTHING, PAGE_SLOTS, QUERIES } from "../src/engine/layout/sizes";
import { dotBlock, scoreSlots } from "./attention-scores";
import { addValues, divide, roundWeights, weighBlock } from "./attention-values";
import { exp2 } from "./elementary";
import { exp2Lanes } from "./elementary-lanes";
import { headBytes, pad8, pageOf } from "./heads";
import { bits32 } from "./integer";
import { address, field } from "./memory";
import * as QUERY from "./query";
import { largestOf } from "./slot-block";
import { touch } from "./touch";

/**
 * Slots whose keys, and then values, are brought to the core's caches before they are used: 128 KiB of keys of 64 dims. Many at a time keep
 * all of memory's lanes busy, where reading on the way leaves most of it waiting: a page is too short for what fetches ahead by itself.
 */
const STRETCH: i32 = 16 * PAGE_SLOTS;

/**
 * softmax(q · k) · v of every head; token t stands in slot first + t and sees what is before it. Out: i32
 * [tokens][heads][valuePad] and a pair { exponent, bits } a token and head. `scores` holds QUERIES times an i32 for each of first +
 * tokens slots and two blocks more; `scratch` 1 KiB more than 8 · valuePad bytes for each of QUERIES. The work is shared by groups.
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
  const heads = field(attention, ATTENTION.heads);
  const kvHeads = field(attention, ATTENTION.kvHeads);
  const valuePad = pad8(field(attention, ATTENTION.valueSize));
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
    for (let i = 0; i < count; i++) closeQuery(attention, scratch + <usize>i * QUERY.bytes, valuePad, out, info);
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
  const query = scratch + <usize>i * QUERY.bytes;
  const window = field(attention, ATTENTION.window);
  const slopes = address(attention, ATTENTION.slopes);
  const sinks = address(attention, ATTENTION.sinks);
  const valueBytes = <usize>pad8(field(attention, ATTENTION.valueSize)) << 3;
  const at = t * field(attention, ATTENTION.heads) + h;
  const end = first + t + 1;
  const room = (first + tokens + 2 * BLOCK_SLOTS - 1) & ~(BLOCK_SLOTS - 1);
  const sums = sumsOf(scratch) + <usize>i * valueBytes;
  memory.fill(sums, 0, valueBytes);
  store<u32>(query, <u32>(q + (<usize>(at * pad8(field(attention, ATTENTION.keySize))) << 1)));
  store<i32>(query, load<i32>(exponents + (<usize>at << 2)), QUERY.exponent << 2);
  store<i32>(query, slopes == 0 ? 0 : load<i32>(slopes + (<usize>h << 2)), QUERY.slope << 2);
  store<i32>(query, window == 0 ? 0 : max(0, end - window), QUERY.start << 2);
  store<i32>(query, end, QUERY.end << 2);
  store<u32>(query, <u32>(scores + <usize>i * (<usize>room << 2)), QUERY.scores << 2);
  store<u32>(query, <u32>sums, QUERY.sums << 2);
  store<i32>(query, sinks == 0 ? i32.MIN_VALUE : load<i32>(sinks + (<usize>h << 2)), QUERY.largest << 2);
  store<i32>(query, NOTHING, QUERY.valueExponent << 2);
  store<i32>(query, at, QUERY.at << 2);
  store<i64>(query, 0, QUERY.total << 2);
}

/** Where the sums of a group lie; the 64 bytes before them hold a block's weights. */
@inline
function sumsOf(scratch: usize): usize {
  return scratch + <usize>QUERIES * QUERY.bytes + 64;
}

/** Both passes of a group over the pages that any of its queries sees. */
function attendGroup(attention: usize, queries: usize, count: i32, kvHead: i32, table: usize): void {
  const keyPad = pad8(field(attention, ATTENTION.keySize));
  const bytes = headBytes(keyPad, pad8(field(attention, ATTENTION.valueSize)));
  const keys = <usize>(PAGE_SLOTS * keyPad) << 1;
  let start = i32.MAX_VALUE;
  let end = 0;
  for (let i = 0; i < count; i++) {
    const query = queries + <usize>i * QUERY.bytes;
    start = min(start, field(query, QUERY.start));
    end = max(end, field(query, QUERY.end));
  }
  const first = start & ~(PAGE_SLOTS - 1);
  const short = end - first <= STRETCH;
  for (let slot = first; slot < end; slot += PAGE_SLOTS) {
    if (((slot - first) & (STRETCH - 1)) == 0) touchPages(table, slot, end, kvHead, bytes, 0, short ? bytes : keys);
    const page = pageOf(table, slot, kvHead, bytes);
    for (let i = 0; i < count; i++) scorePage(attention, queries + <usize>i * QUERY.bytes, page, slot);
  }
  for (let i = 0; i < count; i++) hideSlots(queries + <usize>i * QUERY.bytes);
  for (let slot = first; slot < end; slot += PAGE_SLOTS) {
    if (!short && ((slot - first) & (STRETCH - 1)) == 0) touchPages(table, slot, end, kvHead, bytes, keys, bytes);
    const page = pageOf(table, slot, kvHead, bytes);
    for (let i = 0; i < count; i++) weighPage(attention, queries + <usize>i * QUERY.bytes, page, slot, sumsOf(queries) - 64);
  }
}

/** Reads ahead bytes [from, to) of a head's share of each page of a stretch. */
function touchPages(table: usize, slot: i32, end: i32, kvHead: i32, bytes: usize, from: usize, to: usize): void {
  for (const last = min(end, slot + STRETCH); slot < last; slot += PAGE_SLOTS) {
    const page = pageOf(table, slot, kvHead, bytes);
    touch(page + from, page + to);
  }
}

/** Scores of a page's slots that a query sees, and the largest of them and of their values' exponents. */
function scorePage(attention: usize, query: usize, page: usize, slot: i32): void {
  const start = field(query, QUERY.start);
  const end = field(query, QUERY.end);
  const keyPad = pad8(field(attention, ATTENTION.keySize));
  const from = start & ~(BLOCK_SLOTS - 1);
  const base = field(query, QUERY.exponent) + field(attention, ATTENTION.scaleExponent) + 16;
  const significand = <i64>field(attention, ATTENTION.scaleSignificand);
  const keyExponents = page + <usize>PAGE_SLOTS * <usize>(2 * keyPad + pad8(field(attention, ATTENTION.valueSize)));
  let largest = field(query, QUERY.largest);
  let valueExponent = field(query, QUERY.valueExponent);
  for (let block = max(slot, from); block < min(slot + PAGE_SLOTS, end); block += BLOCK_SLOTS) {
    const at = <usize>(block - slot);
    const to = address(query, QUERY.scores) + (<usize>(block - from) << 2);
    const exponents = keyExponents + (at << 2);
    const low = max(0, start - block);
    const high = min(BLOCK_SLOTS, end - block);
    const keys = page + ((at * <usize>keyPad) << 1);
    dotBlock(address(query, QUERY.q), keys, keyPad, to);
    scoreSlots(to, exponents, low, high, significand, base, <i64>field(query, QUERY.slope), end - 1 - block);
    largest = max(largest, largestOf(to, low, high));
    valueExponent = max(valueExponent, largestOf(exponents + <usize>PAGE_SLOTS * 8, low, high));
  }
  store<i32>(query, largest, QUERY.largest << 2);
  store<i32>(query, valueExponent, QUERY.valueExponent << 2);
}

/** Gives the slots of a query's first and last block that it does not see a score whose power is zero. */
function hideSlots(query: usize): void {
  const start = field(query, QUERY.start);
  const end = field(query, QUERY.end);
  const from = start & ~(BLOCK_SLOTS - 1);
  const scores = address(query, QUERY.scores);
  const hidden = field(query, QUERY.largest) - (26 << 16);
  for (let j = from; j < start; j++) store<i32>(scores + (<usize>(j - from) << 2), hidden);
  for (let j = end; j & (BLOCK_SLOTS - 1); j++) store<i32>(scores + (<usize>(j - from) << 2), hidden);
}

/** Adds a page's values, weighted, to a query's sums, and its powers to the total. */
function weighPage(attention: usize, query: usize, page: usize, slot: i32, weights: usize): void {
  const end = field(query, QUERY.end);
  const keyPad = pad8(field(attention, ATTENTION.keySize));
  const valuePad = pad8(field(attention, ATTENTION.valueSize));
  const from = field(query, QUERY.start) & ~(BLOCK_SLOTS - 1);
  const common = field(query, QUERY.valueExponent);
  const values = page + (<usize>(PAGE_SLOTS * keyPad) << 1);
  const magnitudes = values + <usize>PAGE_SLOTS * <usize>(valuePad + 4);
  const largest = i32x4.splat(field(query, QUERY.largest));
  let total = i64x2.replace_lane(i64x2.splat(0), 0, load<i64>(query, QUERY.total << 2));
  for (let block = max(slot, from); block < min(slot + PAGE_SLOTS, end); block += BLOCK_SLOTS) {
    const at = <usize>(block - slot);
    const p = address(query, QUERY.scores) + (<usize>(block - from) << 2);
    let j: usize = 0;
    do {
      const power = exp2Lanes(i32x4.sub(largest, v128.load(p + j)));
      v128.store(p + j, power);
      total = i64x2.add(total, i64x2.add(i64x2.extend_low_i32x4_u(power), i64x2.extend_high_i32x4_u(power)));
      j += 16;
    } while (j < 128);
    if (common == NOTHING) continue;
    const m = magnitudes + (at << 2);
    const or = weighBlock(p, m, m + <usize>PAGE_SLOTS * 4, min(BLOCK_SLOTS, end - block), common);
    if (or == 0) continue;
    const s = max(0, bits32(<u32>or) - 14);
    roundWeights(p, weights, s);
    addValues(address(query, QUERY.sums), weights, values + at * <usize>valuePad, valuePad, s);
  }
  store<i64>(query, i64x2.extract_lane(total, 0) + i64x2.extract_lane(total, 1), QUERY.total << 2);
}

/** Divides a query's sums by its total, the sink's share included. */
function closeQuery(attention: usize, query: usize, valuePad: i32, out: usize, info: usize): void {
  const at = field(query, QUERY.at);
  const sinks = address(attention, ATTENTION.sinks);
  const common = field(query, QUERY.valueExponent);
  let total = load<i64>(query, QUERY.total << 2);
  if (sinks != 0) {
    const h = at % field(attention, ATTENTION.heads);
    total += <i64>exp2(load<i32>(sinks + (<usize>h << 2)) - field(query, QUERY.largest));
  }
  const to = out + (<usize>(at * valuePad) << 2);
  divide(address(query, QUERY.sums), valuePad, common == NOTHING ? 0 : common, total, to, info + (<usize>at << 3));
}

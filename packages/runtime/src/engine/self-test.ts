/**
 * Whether a host's relaxed dot product is exact where it must be, and worth it: some compilers are wrong and some slow, and a feature
 * test tells neither.
 */
import type { Heap } from "./heap.ts";
import { type Kernels, workspaceBytes } from "./kernels.ts";
import * as HEAD from "./layout/head.ts";
import * as MAP from "./layout/map.ts";
import * as ROWS from "./layout/rows.ts";
import { EMPTY_MAP } from "./records.ts";

const COUNT = 7;
const COLUMNS = 112;
const TOKENS = 5;

/** Runs the same products by both kernels and compares every word. Both share the heap's memory. */
export function agree(heap: Heap, trusted: Kernels, candidate: Kernels): boolean {
  const weights = heap.allocate(COUNT * COLUMNS);
  const bytes = heap.bytes(weights, COUNT * COLUMNS);
  // Rows of each extreme, and rows that pass through every value.
  bytes.forEach((_, i) => {
    const row = Math.floor(i / COLUMNS);
    bytes[i] = row === 0 ? 127 : row === 1 ? -127 : ((i * 73) % 255) - 127;
  });
  const multipliers = heap.words(Array<number>(COUNT).fill(1 << 23));
  const sums = heap.allocate(COUNT * 4);
  const map = heap.record(MAP, {
    ...EMPTY_MAP,
    data: weights,
    stride: COLUMNS,
    multipliers,
    multiplierBits: 24,
    rows: COUNT,
    columns: COLUMNS,
    sums,
  });
  const x = rows(heap, 128, 2);
  const q = new Int16Array(heap.memory.buffer, x.data, TOKENS * 128);
  const words = heap.i32;
  for (let t = 0; t < TOKENS; t++) {
    let l1 = 0;
    for (let c = 0; c < COLUMNS; c++) {
      const value = t === 0 ? 8191 : t === 1 ? -8192 : ((c * 2731 + t * 911) % 16384) - 8192;
      q[t * 128 + c] = value;
      l1 += Math.abs(value);
    }
    words[(x.heads + t * HEAD.bytes) / 4 + HEAD.l1] = l1;
  }
  const y = rows(heap, 32, 4);
  const results = [trusted, candidate].map((kernels) => {
    kernels.setWorkspace(heap.allocate(workspaceBytes(TOKENS, COLUMNS)), 0);
    kernels.sumRows(map, sums);
    const seen: number[] = [];
    for (const tokens of [1, TOKENS]) {
      heap.i32.fill(0, y.data / 4, y.data / 4 + TOKENS * 32);
      kernels.linear(map, x.record, tokens, y.record, 0, COUNT, 0);
      seen.push(...heap.i32.subarray(y.data / 4, y.data / 4 + TOKENS * 32));
      for (let t = 0; t < tokens; t++) {
        const head = (y.heads + t * HEAD.bytes) / 4;
        seen.push(heap.i32[head + HEAD.exponent] ?? 0, heap.i32[head + HEAD.or] ?? 0);
      }
    }
    return seen;
  });
  const [expected = [], actual = []] = results;
  return expected.length === actual.length && expected.every((word, i) => word === actual[i]);
}

/** Columns and rows of the race: 256 KiB, which stay in a core's cache. */
const RACE_COLUMNS = 1024;
const RACE_ROWS = 256;
/** Milliseconds for both together. */
const RACE_TIME = 16;

/** Whether the challenger multiplies a matrix by a vector faster than the champion: the shortest time of each counts. */
export function race(heap: Heap, champion: Kernels, challenger: Kernels): boolean {
  const weights = heap.allocate(RACE_ROWS * RACE_COLUMNS);
  const multipliers = heap.allocate(RACE_ROWS * 4);
  const sums = heap.allocate(RACE_ROWS * 4);
  const map = heap.record(MAP, {
    ...EMPTY_MAP,
    data: weights,
    stride: RACE_COLUMNS,
    multipliers,
    multiplierBits: 1,
    rows: RACE_ROWS,
    columns: RACE_COLUMNS,
    sums,
  });
  const x = rows(heap, RACE_COLUMNS, 2);
  const y = rows(heap, RACE_ROWS, 4);
  const workspace = heap.allocate(workspaceBytes(1, RACE_COLUMNS));
  champion.setWorkspace(workspace, 0);
  challenger.setWorkspace(workspace, 0);
  const time = (kernels: Kernels): number => {
    const start = performance.now();
    for (let i = 0; i < 4; i++) kernels.linear(map, x.record, 1, y.record, 0, RACE_ROWS, 0);
    return performance.now() - start;
  };
  let best = Number.POSITIVE_INFINITY;
  let other = Number.POSITIVE_INFINITY;
  for (const end = performance.now() + RACE_TIME; performance.now() < end; ) {
    best = Math.min(best, time(champion));
    other = Math.min(other, time(challenger));
  }
  return other < best;
}

function rows(heap: Heap, stride: number, bytes: number) {
  const data = heap.allocate(TOKENS * stride * bytes);
  const heads = heap.allocate(TOKENS * HEAD.bytes);
  heap.bytes(data, TOKENS * stride * bytes).fill(0);
  heap.bytes(heads, TOKENS * HEAD.bytes).fill(0);
  return { data, heads, record: heap.record(ROWS, { data, heads, stride }) };
}

import { describe, expect, test } from "vitest";
import { Dice } from "../../test/random-model.ts";
import { ONE_HEAD } from "../../test/records.ts";
import { cacheKey, cacheValue } from "../reference/attention.ts";
import type { Block } from "../reference/block.ts";
import { quantise } from "../reference/block.ts";
import { Heap } from "./heap.ts";
import { BASE, compileKernels } from "./host.ts";
import { instantiateKernels, type Kernels } from "./kernels.ts";
import * as ATTENTION from "./layout/attention.ts";
import * as HEAD from "./layout/head.ts";
import * as ROWS from "./layout/rows.ts";
import { PAGE_SLOTS } from "./layout/sizes.ts";

const SIZE = 16;

/** Mantissas at every edge of the roundings to 14, 12 and 8 bits: next to powers of two, of either sign, and random ones. */
const BLOCKS: readonly Block[] = (() => {
  const dice = new Dice(7);
  const blocks: Block[] = [{ mantissas: new Int32Array(SIZE), exponent: 9 }];
  for (let bits = 1; bits <= 30; bits++) {
    for (const off of [-1, 0, 1]) {
      for (const sign of [-1, 1]) {
        const largest = Math.min(2 ** 30, 2 ** bits + off);
        const mantissas = Int32Array.from({ length: SIZE }, (_, i) =>
          i === 3 ? sign * largest : dice.between(-largest, largest),
        );
        blocks.push({ mantissas, exponent: dice.between(-40, 20) });
      }
    }
  }
  return blocks;
})();

/** A heap with one attention of one head and a row for a block. */
async function bench(): Promise<{
  heap: Heap;
  kernels: Kernels;
  attention: number;
  row: number;
  place: (b: Block) => void;
}> {
  const heap = new Heap(BASE, false);
  const kernels = await instantiateKernels(await compileKernels("simd", false), heap.memory);
  const attention = heap.record(ATTENTION, {
    ...ONE_HEAD,
    keySize: SIZE,
    valueSize: SIZE,
    scaleSignificand: 1 << 24,
    scaleExponent: -30,
  });
  const data = heap.allocate(SIZE * 4);
  const head = heap.allocate(HEAD.bytes);
  const row = heap.record(ROWS, { data, heads: head, stride: SIZE });
  const place = ({ mantissas, exponent }: Block): void => {
    heap.i32.set(mantissas, data / 4);
    heap.i32[head / 4 + HEAD.exponent] = exponent;
    heap.i32[head / 4 + HEAD.or] = mantissas.reduce((or, m) => or | Math.abs(m), 0);
  };
  return { heap, kernels, attention, row, place };
}

describe("every edge of rounding gives what the definition gives", () => {
  test("for activations", async () => {
    const { heap, kernels, row, place } = await bench();
    const q = heap.allocate(64);
    const head = heap.allocate(HEAD.bytes);
    const to = heap.record(ROWS, { data: q, heads: head, stride: 32 });
    for (const block of BLOCKS) {
      place(block);
      kernels.quantise(row, to, 1, SIZE, 0, 1);
      const expected = quantise(block);
      expect(new Int16Array(heap.memory.buffer, q, SIZE)).toEqual(expected.q);
      expect(heap.i32[head / 4 + HEAD.exponent]).toBe(expected.exponent);
      expect(heap.i32[head / 4 + HEAD.l1]).toBe(expected.l1);
    }
  });

  test("for keys and values in the cache", async () => {
    const { heap, kernels, attention, row, place } = await bench();
    const bytes = kernels.pageBytes(attention);
    const pages = Math.ceil(BLOCKS.length / PAGE_SLOTS);
    const table = heap.words(Array.from({ length: pages }, () => heap.allocate(bytes)));
    const scratch = heap.allocate(4096);
    BLOCKS.forEach((block, slot) => {
      place(block);
      kernels.appendKeys(attention, row, 0, 1, 0, table, slot, scratch, 0, 1);
      place(block);
      kernels.appendValues(attention, row, 1, table, slot, scratch, 0, 1);
    });
    BLOCKS.forEach((block, slot) => {
      const page = heap.i32[table / 4 + Math.floor(slot / PAGE_SLOTS)] ?? 0;
      const at = slot % PAGE_SLOTS;
      const view = new DataView(heap.memory.buffer, page, bytes);
      // Keys: pairs of dims of 16 slots; values: pairs of slots of 32, eight dims at a time.
      const group = Math.floor(at / 16) * SIZE * 32 + (at % 16) * 4;
      const key = Int16Array.from({ length: SIZE }, (_, d) =>
        view.getInt16(group + Math.floor(d / 2) * 64 + (d % 2) * 2, true),
      );
      const values = PAGE_SLOTS * SIZE * 2;
      const pair = values + Math.floor(at / 32) * SIZE * 32 + Math.floor((at % 32) / 2) * 16 + (at % 2);
      const value = Int8Array.from({ length: SIZE }, (_, d) =>
        view.getInt8(pair + Math.floor(d / 8) * 256 + (d % 8) * 2),
      );
      const words = PAGE_SLOTS * SIZE * 3;
      const word = (array: number): number => view.getInt32(words + array * PAGE_SLOTS * 4 + at * 4, true);
      const expectedKey = cacheKey(block);
      const expectedValue = cacheValue(block);
      expect(key).toEqual(expectedKey.q);
      expect(word(0)).toBe(expectedKey.exponent);
      expect(value).toEqual(expectedValue.q);
      expect(word(1)).toBe(expectedValue.magnitude);
      expect(word(2)).toBe(expectedValue.magnitude === 0 ? -0x8000_0000 : expectedValue.exponent);
    });
  });
});

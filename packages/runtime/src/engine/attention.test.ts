import { describe, expect, test } from "vitest";
import { Dice } from "../../test/random-model.ts";
import { ONE_HEAD } from "../../test/records.ts";
import { attendHead, cacheKey, cacheValue, type ScoreTerms } from "../reference/attention.ts";
import type { Block } from "../reference/block.ts";
import { Heap } from "./heap.ts";
import { BASE, compileKernels } from "./host.ts";
import { instantiateKernels } from "./kernels.ts";
import * as ATTENTION from "./layout/attention.ts";
import * as HEAD from "./layout/head.ts";
import * as ROWS from "./layout/rows.ts";
import { scoresBytes } from "./scores.ts";

const SLOTS = 100;
const VALUE = 8;

interface Case {
  readonly keySize: number;
  /** Least and largest size of a mantissa of queries and keys. */
  readonly sizes: readonly [number, number];
  /** By how many powers of two keys, and values, differ. */
  readonly spread: number;
  readonly scale: ScoreTerms["scale"];
}

/** One head's attention from its last slot, by the kernels and by the definition. */
async function both({ keySize, sizes, spread, scale }: Case, seed: number) {
  const dice = new Dice(seed);
  const block = (length: number): Block => ({
    mantissas: Int32Array.from({ length }, () => dice.between(...sizes)),
    exponent: -20 + dice.between(0, spread),
  });
  // Signs alternate by slot, so that scores lie at both ends.
  const signed = ({ mantissas, exponent }: Block, slot: number): Block => ({
    mantissas: mantissas.map((m) => (slot % 3 === 0 ? -m : m)),
    exponent,
  });
  const keys = Array.from({ length: SLOTS }, (_, slot) => signed(block(keySize), slot));
  const values = Array.from({ length: SLOTS }, (_, slot) =>
    slot % 11 === 5 ? { mantissas: new Int32Array(VALUE), exponent: 3 } : signed(block(VALUE), slot),
  );
  const query = block(keySize);
  const expected = attendHead({ scale, slopes: undefined, sinks: undefined }, 0, query, {
    start: 0,
    keys: keys.map(cacheKey),
    values: values.map(cacheValue),
  });

  const heap = new Heap(BASE, false);
  const kernels = await instantiateKernels(await compileKernels("simd", false), heap.memory);
  const attention = heap.record(ATTENTION, {
    ...ONE_HEAD,
    keySize,
    valueSize: VALUE,
    scaleSignificand: scale.significand,
    scaleExponent: scale.exponent,
  });
  const bytes = kernels.pageBytes(attention);
  const table = heap.words([heap.allocate(bytes), heap.allocate(bytes)]);
  const scratch = heap.allocate(16_384);
  const place = ({ mantissas, exponent }: Block): number => {
    const data = heap.allocate(keySize * 4);
    heap.i32.set(mantissas, data / 4);
    const or = mantissas.reduce((bits, m) => bits | Math.abs(m), 0);
    const head = heap.allocate(HEAD.bytes);
    heap.i32[head / 4 + HEAD.exponent] = exponent;
    heap.i32[head / 4 + HEAD.or] = or;
    return heap.record(ROWS, { data, heads: head, stride: keySize });
  };
  keys.forEach((key, slot) => {
    kernels.appendKeys(attention, place(key), 0, 1, 0, table, slot, scratch, 0, 1);
  });
  values.forEach((value, slot) => {
    kernels.appendValues(attention, place(value), 1, table, slot, scratch, 0, 1);
  });
  const q = heap.allocate(keySize * 2);
  const exponents = heap.allocate(4);
  kernels.prepareQueries(attention, place(query), 1, 0, q, exponents, scratch, 0, 1);
  const out = heap.allocate(VALUE * 4);
  const info = heap.allocate(8);
  const scores = heap.allocate(scoresBytes(SLOTS));
  kernels.attend(attention, q, exponents, 1, table, SLOTS - 1, out, info, scores, scratch, 0, 1);
  const words = heap.i32;
  return {
    expected: { mantissas: [...expected.mantissas], exponent: expected.exponent },
    actual: { mantissas: [...words.subarray(out / 4, out / 4 + VALUE)], exponent: words[info / 4] },
  };
}

describe("attention over a cache equals the definition", () => {
  // Heads of 512 at full size: the only ones whose scores reach their limit while one shift still serves a block.
  test.each(Array.from({ length: 16 }, (_, i) => -26 + i))("at the limit of scores, scale 2^%i", async (exponent) => {
    const scale = { significand: 33_000_001, exponent };
    for (const spread of [0, 1, 3]) {
      const { expected, actual } = await both({ keySize: 512, sizes: [1_040_000, 1_047_000], spread, scale }, exponent);
      expect(actual).toEqual(expected);
    }
  });

  test.each([0, 1, 5, 6, 7, 12, 40])("with exponents that differ by up to %i", async (spread) => {
    for (const exponent of [-60, -50, -42, -38, -30]) {
      const scale = { significand: 24_204_406, exponent };
      const { expected, actual } = await both({ keySize: 24, sizes: [-90_000, 90_000], spread, scale }, spread);
      expect(actual).toEqual(expected);
    }
  });

  // Scores that differ by less than one and by more than 25: powers of every size that is not zero.
  test.each([-21, -19, -18, -17, -16, -15])("with weights of every size, scale 2^%i", async (exponent) => {
    for (let seed = 0; seed < 6; seed++) {
      const scale = { significand: 24_204_406, exponent };
      const { expected, actual } = await both({ keySize: 24, sizes: [-90_000, 90_000], spread: 0, scale }, seed);
      expect(actual).toEqual(expected);
    }
  });
});

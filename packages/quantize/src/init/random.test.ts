import { describe, expect, test } from "vitest";
import { BLOCK, blockGenerator, nextSum, normalTable, SUMS, Xoshiro128 } from "./random.ts";

describe("Xoshiro128", () => {
  test("gives the words of the authors' xoshiro128** from the state 1, 2, 3, 4", () => {
    const generator = new Xoshiro128([1, 2, 3, 4]);
    const words = Array.from({ length: 10 }, () => generator.next() >>> 0);
    expect(words).toEqual(reference([1, 2, 3, 4], 10));
    expect(words.slice(0, 4)).toEqual([11520, 0, 5927040, 70819200]);
  });
});

/** xoshiro128starstar.c, word by word in big integers. */
function reference(state: readonly number[], count: number): readonly number[] {
  const s = state.map(BigInt);
  const at = (i: number): bigint => s[i] ?? 0n;
  const word = (x: bigint): bigint => BigInt.asUintN(32, x);
  const rotate = (x: bigint, k: bigint): bigint => word((x << k) | (x >> (32n - k)));
  return Array.from({ length: count }, () => {
    const result = word(rotate(word(at(1) * 5n), 7n) * 9n);
    const t = word(at(1) << 9n);
    s[2] = at(2) ^ at(0);
    s[3] = at(3) ^ at(1);
    s[1] = at(1) ^ at(2);
    s[0] = at(0) ^ at(3);
    s[2] = at(2) ^ t;
    s[3] = rotate(at(3), 11n);
    return Number(result);
  });
}

describe("blockGenerator", () => {
  test("depends on the seed, the tensor and the block", () => {
    const words = [
      [1, "a", 0],
      [2, "a", 0],
      [1, "b", 0],
      [1, "a", 1],
    ].map(([seed, name, block]) => blockGenerator(Number(seed), String(name), Number(block)).next());
    expect(new Set(words).size).toBe(4);
    expect(words[0]).toBe(blockGenerator(1, "a", 0).next());
  });

  test("does not mistake digits of the name for those of the block", () => {
    expect(blockGenerator(1, "a1", 1).next()).not.toBe(blockGenerator(1, "a", 11).next());
  });
});

describe("nextSum", () => {
  const generator = blockGenerator(1, "sums", 0);
  const sums = Array.from({ length: 1 << 17 }, () => nextSum(generator));

  test("stays within the table", () => {
    expect(Math.min(...sums.slice(0, 1000))).toBeGreaterThanOrEqual(0);
    expect(sums.every((sum) => Number.isInteger(sum) && sum >= 0 && sum < SUMS)).toBe(true);
  });

  test("is close to normal: mean, deviation, and the shares within one, two and three deviations", () => {
    const table = normalTable(1);
    const values = sums.map((sum) => table[sum] ?? Number.NaN);
    const mean = values.reduce((a, b) => a + b) / values.length;
    const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
    const within = (k: number): number => values.filter((x) => Math.abs(x) < k).length / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.015);
    expect(Math.abs(variance - 1)).toBeLessThan(0.02);
    expect(Math.abs(within(1) - 0.6827)).toBeLessThan(0.01);
    expect(Math.abs(within(2) - 0.9545)).toBeLessThan(0.005);
    expect(Math.abs(within(3) - 0.9973)).toBeLessThan(0.002);
  });

  test("adds up the eight bytes of two words", () => {
    const words = blockGenerator(7, "bytes", 3);
    const same = blockGenerator(7, "bytes", 3);
    for (let i = 0; i < 1000; i++) {
      const bytes = new Uint8Array(Int32Array.of(words.next(), words.next()).buffer);
      expect(nextSum(same)).toBe(bytes.reduce((a, b) => a + b, 0));
    }
  });
});

test("the deviation of the table is the square root that its comment names", () => {
  const [first = 0] = normalTable(1);
  expect(-1020 / first).toBeCloseTo(Math.sqrt((8 * 65535) / 12), 10);
});

test("a block has 2^20 elements, for ever", () => {
  expect(BLOCK).toBe(1048576);
});

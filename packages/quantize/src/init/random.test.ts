import { describe, expect, test } from "vitest";
import { BLOCK, blockState, fillFromTable, normalTable, type RandomState, SUMS } from "./random.ts";

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

test("the reference is the authors' generator", () => {
  // From the state 1, 2, 3, 4; the words of xoshiro128starstar.c 1.1, as the tests of rand_xoshiro have them.
  const words = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804];
  expect(reference([1, 2, 3, 4], 10)).toEqual(words);
});

describe("blockState", () => {
  test("depends on the seed, the tensor and the block", () => {
    const states = [blockState(1, "a", 0), blockState(2, "a", 0), blockState(1, "b", 0), blockState(1, "a", 1)];
    expect(new Set(states.map(String)).size).toBe(4);
    expect(blockState(1, "a", 0)).toEqual(states[0]);
  });

  test("does not mistake digits of the name for those of the block", () => {
    expect(blockState(1, "a1", 1)).not.toEqual(blockState(1, "a", 11));
  });
});

describe("fillFromTable", () => {
  const identity = Uint16Array.from({ length: SUMS }, (_, sum) => sum);

  test("takes the sum of the eight bytes of two words", () => {
    const state: RandomState = [0x9e3779b9 | 0, 1, -5, 77];
    const sums = new Uint16Array(500);
    fillFromTable(sums, identity, state);
    const words = Uint32Array.from(
      reference(
        state.map((word) => word >>> 0),
        1000,
      ),
    );
    const bytes = new Uint8Array(words.buffer);
    const expected = sums.map((_, i) => bytes.subarray(8 * i, 8 * i + 8).reduce((a, b) => a + b, 0));
    expect(sums).toEqual(expected);
  });

  test("is close to normal: mean, deviation, and the shares within one, two and three deviations", () => {
    const sums = new Uint16Array(1 << 17);
    fillFromTable(sums, identity, blockState(1, "sums", 0));
    const table = normalTable(1);
    const values = Array.from(sums, (sum) => table[sum] ?? Number.NaN);
    const mean = values.reduce((a, b) => a + b) / values.length;
    const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
    const within = (k: number): number => values.filter((x) => Math.abs(x) < k).length / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.015);
    expect(Math.abs(variance - 1)).toBeLessThan(0.02);
    expect(Math.abs(within(1) - 0.6827)).toBeLessThan(0.01);
    expect(Math.abs(within(2) - 0.9545)).toBeLessThan(0.005);
    expect(Math.abs(within(3) - 0.9973)).toBeLessThan(0.002);
  });
});

test("the deviation of the table is the square root that its comment names", () => {
  const [first = 0] = normalTable(1);
  expect(-1020 / first).toBeCloseTo(Math.sqrt((8 * 65535) / 12), 10);
});

test("a block has 2^20 elements, for ever", () => {
  expect(BLOCK).toBe(1048576);
});

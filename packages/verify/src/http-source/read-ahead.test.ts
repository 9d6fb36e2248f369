import { type ByteSource, memorySource } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { BLOCK, readAhead } from "./read-ahead.ts";

const SIZE = 6 * BLOCK + 100;
const bytes = Uint8Array.from({ length: SIZE }, (_, i) => (i * 7 + (i >> 8)) & 255);

/** A source that writes down what is asked of it, and fails while it is told to. */
function noted() {
  const memory = memorySource(bytes);
  const asked: (readonly [number, number])[] = [];
  const state = { failing: false };
  const source: ByteSource = {
    ...memory,
    read: async (offset, length) => {
      asked.push([offset, length]);
      if (state.failing) throw new Error("cut off");
      return memory.read(offset, length);
    },
  };
  return { ahead: readAhead(source), asked, state };
}

describe("reading ahead", () => {
  test("asks for the block around a small read, once", async () => {
    const { ahead, asked } = noted();
    for (const [offset, length] of [
      [BLOCK + 10, 5],
      [BLOCK, 1],
      [2 * BLOCK - 1, 1],
      [BLOCK, BLOCK],
    ] as const)
      expect(await ahead.read(offset, length)).toEqual(bytes.slice(offset, offset + length));
    expect(asked).toEqual([[BLOCK, BLOCK]]);
    expect(ahead.size).toBe(SIZE);
  });

  test("asks once for two small reads at a time", async () => {
    const { ahead, asked } = noted();
    await Promise.all([ahead.read(1, 1), ahead.read(2, 1)]);
    expect(asked).toEqual([[0, BLOCK]]);
  });

  test("ends its last block with the source", async () => {
    const { ahead, asked } = noted();
    expect(await ahead.read(SIZE - 1, 1)).toEqual(bytes.slice(-1));
    expect(asked).toEqual([[6 * BLOCK, 100]]);
  });

  test.each([
    [BLOCK - 1, 2],
    [0, BLOCK + 1],
    [10, 0],
    [3 * BLOCK, 2 * BLOCK],
  ])("passes on what no block holds: %d, %d", async (offset, length) => {
    const { ahead, asked } = noted();
    expect(await ahead.read(offset, length)).toEqual(bytes.slice(offset, offset + length));
    expect(asked).toEqual([[offset, length]]);
  });

  test.each([
    [-1, 1],
    [SIZE, 1],
    [SIZE - 1, 2],
    [0, -1],
  ])("leaves it to the source to refuse %d, %d", async (offset, length) => {
    const { ahead, asked } = noted();
    await expect(ahead.read(offset, length)).rejects.toMatchObject({ code: "range" });
    expect(asked).toEqual([[offset, length]]);
  });

  test("keeps four blocks, those that were used last", async () => {
    const { ahead, asked } = noted();
    for (const block of [0, 1, 2, 3, 0, 4, 0, 2, 3, 4]) await ahead.read(block * BLOCK, 1);
    expect(asked.map(([offset]) => offset / BLOCK)).toEqual([0, 1, 2, 3, 4]);
    await ahead.read(BLOCK, 1);
    await ahead.read(0, 1);
    expect(asked.map(([offset]) => offset / BLOCK)).toEqual([0, 1, 2, 3, 4, 1, 0]);
  });

  test("asks again for a block that failed", async () => {
    const { ahead, asked, state } = noted();
    state.failing = true;
    await expect(ahead.read(5, 5)).rejects.toThrow("cut off");
    state.failing = false;
    expect(await ahead.read(5, 5)).toEqual(bytes.slice(5, 10));
    expect(asked).toHaveLength(2);
  });

  test("gives bytes that the reader may write to", async () => {
    const { ahead } = noted();
    (await ahead.read(5, 5)).fill(0);
    expect(await ahead.read(5, 5)).toEqual(bytes.slice(5, 10));
  });
});

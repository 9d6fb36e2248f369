import { leafHash, toHex } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { type ChunkCache, recall, remember } from "./chunk-cache.ts";

const chunk = new Uint8Array(100).fill(7);
const leaf = leafHash(chunk);

/** A cache with one entry under any key, that writes down what is done with it. */
function holding(entry: Uint8Array | undefined, failing: readonly (keyof ChunkCache)[] = []) {
  const calls: (readonly unknown[])[] = [];
  const note =
    <T>(name: keyof ChunkCache, value: T) =>
    async (...given: readonly unknown[]): Promise<T> => {
      calls.push([name, ...given]);
      if (failing.includes(name)) throw new Error("broken");
      return value;
    };
  const cache: ChunkCache = { get: note("get", entry), put: note("put", undefined), delete: note("delete", undefined) };
  return { cache, calls };
}

describe("a chunk", () => {
  test("is recalled under its leaf in hexadecimal", async () => {
    const { cache, calls } = holding(chunk);
    expect(await recall(cache, leaf, 100)).toEqual(chunk);
    expect(calls).toEqual([["get", toHex(leaf)]]);
  });

  test("is recalled and remembered as a copy: what others can write to is not what was verified", async () => {
    for (const kind of [Uint8Array, Buffer]) {
      const theirs = kind.from(chunk);
      const recalled = await recall(holding(theirs).cache, leaf, 100);
      const { cache, calls } = holding(undefined);
      await remember(cache, leaf, theirs);
      theirs.fill(0);
      expect(recalled).toEqual(chunk);
      expect(calls[0]?.[2]).toEqual(chunk);
    }
  });

  test("is remembered under it", async () => {
    const { cache, calls } = holding(undefined);
    await remember(cache, leaf, chunk);
    expect(calls).toEqual([["put", toHex(leaf), chunk]]);
  });

  test("that was never kept is a miss, and nothing is dropped", async () => {
    const { cache, calls } = holding(undefined);
    expect(await recall(cache, leaf, 100)).toBeUndefined();
    expect(calls).toEqual([["get", toHex(leaf)]]);
  });

  test.each<[string, Uint8Array, number]>([
    ["of other bytes", new Uint8Array(100), 100],
    ["cut short", chunk.subarray(1), 100],
    ["grown", new Uint8Array([...chunk, 0]), 100],
    ["of another length than asked for, though it is the leaf's", chunk, 99],
    ["empty", new Uint8Array(0), 100],
  ])("%s is a miss, and dropped", async (_, entry, length) => {
    const { cache, calls } = holding(entry);
    expect(await recall(cache, leaf, length)).toBeUndefined();
    expect(calls).toEqual([
      ["get", toHex(leaf)],
      ["delete", toHex(leaf)],
    ]);
  });

  test("is a miss where its cache is broken, and is not remembered then", async () => {
    expect(await recall(holding(chunk, ["get"]).cache, leaf, 100)).toBeUndefined();
    expect(await recall(holding(new Uint8Array(1), ["delete"]).cache, leaf, 100)).toBeUndefined();
    await remember(holding(undefined, ["put"]).cache, leaf, chunk);
  });
});

import { memorySource } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { readSafetensors } from "../checkpoint/safetensors.ts";
import type { ClassicTensor } from "./classic-tensors.ts";
import { safetensorsHeader, shardIndex, shardTensors } from "./shards.ts";

const tensor = (name: string, numel: number): ClassicTensor => ({
  name,
  shape: [numel],
  numel,
  buffer: false,
  fill: "normal",
});
const five = [4, 8, 100, 2, 6].map((numel, i) => tensor(`t${i}`, numel));
const sizes = (shards: ReturnType<typeof shardTensors>) =>
  shards.map(({ tensors }) => tensors.map(({ numel }) => numel));

describe("shardTensors", () => {
  test("makes one file where nothing else is asked", () => {
    expect(shardTensors(five, "BF16").map(({ file }) => file)).toEqual(["model.safetensors"]);
  });

  test.each([1, 2, 3, 4, 5])("makes exactly %i files, each with a tensor, in order", (count) => {
    const shards = shardTensors(five, "BF16", { count });
    expect(shards).toHaveLength(count);
    expect(shards.every(({ tensors }) => tensors.length > 0)).toBe(true);
    expect(shards.flatMap(({ tensors }) => tensors)).toEqual(five);
  });

  test("balances files by size", () => {
    const equal = Array.from({ length: 12 }, (_, i) => tensor(`t${i}`, 10));
    expect(sizes(shardTensors(equal, "F32", { count: 4 })).map((group) => group.length)).toEqual([3, 3, 3, 3]);
  });

  test("refuses more files than there are tensors", () => {
    expect(() => shardTensors(five, "BF16", { count: 6 })).toThrow(
      /6 shards were asked for, but there are only 5 tensors/,
    );
  });

  test("keeps files below a size, but never cuts a tensor", () => {
    expect(sizes(shardTensors(five, "BF16", { bytes: 24 }))).toEqual([[4, 8], [100], [2, 6]]);
    expect(sizes(shardTensors(five, "F32", { bytes: 24 }))).toEqual([[4], [8], [100], [2], [6]]);
  });

  test("names files as the Hub does", () => {
    expect(shardTensors(five, "BF16", { count: 2 }).map(({ file }) => file)).toEqual([
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
    ]);
  });
});

test("a header is one that the strict reader takes, and data starts at a multiple of 8", async () => {
  const header = safetensorsHeader(five, "F32");
  expect(header.length % 8).toBe(0);
  const file = new Uint8Array(header.length + 4 * 120);
  file.set(header);
  const stored = await readSafetensors(memorySource(file), "model.safetensors");
  expect(stored.map(({ name, dtype, shape, length }) => [name, dtype, shape[0], length])).toEqual(
    five.map(({ name, numel }) => [name, "F32", numel, 4 * numel]),
  );
});

test("an index names the file of each tensor, and all bytes", () => {
  const index = JSON.parse(new TextDecoder().decode(shardIndex(shardTensors(five, "BF16", { count: 2 }), "BF16")));
  expect(index).toEqual({
    metadata: { total_size: 240 },
    weight_map: {
      t0: "model-00001-of-00002.safetensors",
      t1: "model-00001-of-00002.safetensors",
      t2: "model-00001-of-00002.safetensors",
      t3: "model-00002-of-00002.safetensors",
      t4: "model-00002-of-00002.safetensors",
    },
  });
});

test("an index lists tensors in the order of the files, whatever their names", () => {
  const shards = shardTensors([tensor("b", 1), tensor("7", 1)], "F32", { count: 2 });
  expect(new TextDecoder().decode(shardIndex(shards, "F32"))).toBe(`{
  "metadata": {
    "total_size": 8
  },
  "weight_map": {
    "b": "model-00001-of-00002.safetensors",
    "7": "model-00002-of-00002.safetensors"
  }
}
`);
});

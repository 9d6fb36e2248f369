import { describe, expect, test } from "vitest";
import { shippedConfig } from "../../test/shrunk-configs.ts";
import { lowerConfig } from "../lower.ts";
import { cacheBytes, contextsOf } from "./cache.ts";

const foldOf = (name: string) => lowerConfig(shippedConfig(name)).fold;

describe("cacheBytes", () => {
  test("counts int16 keys, int8 values and their scales", () => {
    // 16 layers of 8 key-value heads of 64.
    expect(cacheBytes(foldOf("mixtral-1b"), 1)).toBe(16 * 8 * (2 * 64 + 4 + 64 + 8));
    expect(cacheBytes(foldOf("mixtral-1b"), 4096)).toBe(4096 * 16 * 8 * 204);
  });

  test("lets a windowed layer keep no more than its window", () => {
    const head = 2 * 128 + 4 + 128 + 8;
    // 60 of 80 layers see 128 positions.
    expect(cacheBytes(foldOf("vpmoe"), 4096)).toBe(2 * head * (60 * 128 + 20 * 4096));
  });

  test("counts a position in one expert of a routed stage", () => {
    expect(cacheBytes(foldOf("s7-140m"), 2)).toBe(2 * 204 * (6 * 12 + 8 * 8));
  });
});

test("contexts double up to the fold's", () => {
  expect(contextsOf(foldOf("mixtral-1b"))).toEqual([1024, 2048, 4096]);
  expect(contextsOf({ ...foldOf("mixtral-1b"), context: 512 })).toEqual([512]);
  expect(contextsOf({ ...foldOf("mixtral-1b"), context: 3000 })).toEqual([1024, 2048, 3000]);
});

import { describe, expect, test } from "vitest";
import { shippedConfig, shrunkConfig } from "../../test/shrunk-configs.ts";
import { lowerConfig } from "../lower.ts";
import { cacheSize, contextsOf } from "./cache.ts";

const foldOf = (name: string) => lowerConfig(shippedConfig(name)).fold;

describe("cacheSize", () => {
  test("counts int16 keys, int8 values and their scales", () => {
    // 16 layers of 8 key-value heads of 64.
    expect(cacheSize(foldOf("mixtral-1b"), 1).bytes).toBe(16 * 8 * (2 * 64 + 4 + 64 + 8));
    expect(cacheSize(foldOf("mixtral-1b"), 4096).bytes).toBe(4096 * 16 * 8 * 204);
  });

  test("tells what the engine holds from what windowed layers see", () => {
    const head = 2 * 128 + 4 + 128 + 8;
    // 60 of 80 layers see 128 positions.
    expect(cacheSize(foldOf("vpmoe"), 4096)).toEqual({
      context: 4096,
      bytes: 2 * head * 80 * 4096,
      visible: 2 * head * (60 * 128 + 20 * 4096),
    });
  });

  test("rounds heads up to 8, as the engine does", () => {
    const { fold } = lowerConfig(shrunkConfig("deepseek-v3-1b"));
    // Two layers of two heads: keys of 8 + 4, values of 6.
    expect(cacheSize(fold, 1).bytes).toBe(2 * 2 * (2 * 16 + 4 + 8 + 8));
  });

  test("counts a position in one expert of a routed stage", () => {
    expect(cacheSize(foldOf("s7-140m"), 2).bytes).toBe(2 * 204 * (6 * 12 + 8 * 8));
  });
});

test("contexts double up to the fold's", () => {
  expect(contextsOf(foldOf("mixtral-1b"))).toEqual([1024, 2048, 4096]);
  expect(contextsOf({ ...foldOf("mixtral-1b"), context: 512 })).toEqual([512]);
  expect(contextsOf({ ...foldOf("mixtral-1b"), context: 3000 })).toEqual([1024, 2048, 3000]);
});

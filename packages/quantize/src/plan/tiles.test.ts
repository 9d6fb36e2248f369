import { describe, expect, test } from "vitest";
import { shippedConfig, shrunkConfig } from "../../test/shrunk-configs.ts";
import { lowerConfig } from "../lower.ts";
import { tensorGroups } from "./groups.ts";
import { tileFit, tilesOf } from "./tiles.ts";

test.each([
  [[32, 32], 1],
  [[33, 32], 2],
  [[1, 1], 1],
  [[512, 2048], 1024],
  [[512], 0],
])("a tensor %j has %i tiles", (shape, tiles) => {
  expect(tilesOf(shape)).toBe(tiles);
});

describe("tileFit", () => {
  test("s7-140m is whole tiles, 32 of which fit L1", () => {
    const fit = tileFit(tensorGroups(lowerConfig(shippedConfig("s7-140m-original")).fold));
    expect(fit).toEqual({ tileBytes: 1024, tilesInL1: 32, tiles: 174_981_120 / 1024, fill: 1, ragged: [] });
  });

  test("names the matrices that padding fills", () => {
    const fit = tileFit(tensorGroups(lowerConfig(shrunkConfig("mixtral-1b")).fold));
    expect(fit.fill).toBeLessThan(1);
    expect(fit.ragged).toContain("model.layers.{layer}.block_sparse_moe.experts.{expert}.w1.weight");
  });
});

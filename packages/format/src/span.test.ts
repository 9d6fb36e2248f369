import { describe, expect, test } from "vitest";
import { spanLayout } from "./span.ts";

describe("spanLayout", () => {
  test.each([
    // Seed 001 §8: stored = ceil(numel / 32) · 32, then a scale of 4 bytes a row, padded likewise.
    ["i8", [512, 2048], { data: 1_048_576, plane: 0, scales: 1_048_576, size: 1_048_576 + 2048 }],
    ["i8", [3, 5], { data: 15, plane: 0, scales: 32, size: 64 }],
    ["i8", [1, 1], { data: 1, plane: 0, scales: 32, size: 64 }],
    ["i8x2", [8, 512], { data: 4096, plane: 4096, scales: 8192, size: 8224 }],
    ["i8x2", [2, 3], { data: 6, plane: 32, scales: 64, size: 96 }],
    ["f32", [9], { data: 36, plane: 0, scales: 64, size: 64 }],
    ["u64", [32], { data: 256, plane: 0, scales: 256, size: 256 }],
  ] as const)("places the parts of %s %j", (dtype, shape, expected) => {
    expect(spanLayout({ dtype, shape })).toEqual(expected);
  });

  test.each([[[2 ** 27, 2 ** 27]], [[2 ** 53, 2]], [[2 ** 32, 2 ** 32]]])(
    "refuses %j, whose product passes 2^53",
    (shape) => {
      expect(() => spanLayout({ dtype: "i8", shape })).toThrow(expect.objectContaining({ code: "layout" }));
    },
  );
});

import { describe, expect, test } from "vitest";
import { nestsDeeper } from "./json-nesting.ts";

const deeper = (text: string, limit: number): boolean => nestsDeeper(new TextEncoder().encode(text), limit);

describe("nestsDeeper", () => {
  test.each([
    ["1", 0],
    ["[]", 1],
    ["{}", 1],
    ['{"a":[{"b":[]}]}', 4],
    ["[[],[],[[]]]", 3],
    ['["[[[[", "{{{{"]', 1],
    [String.raw`["\"[[[", "\\", [], "\\\"{{{"]`, 2],
    ["[[[", 3],
  ])("tells %s to nest %d deep", (text, depth) => {
    expect(deeper(text, depth)).toBe(false);
    if (depth > 0) expect(deeper(text, depth - 1)).toBe(true);
  });

  test("ends at the first bracket too many", () => {
    const text = new Uint8Array(1 << 26).fill(0x5b);
    const began = performance.now();
    expect(nestsDeeper(text, 64)).toBe(true);
    expect(performance.now() - began).toBeLessThan(50);
  });
});

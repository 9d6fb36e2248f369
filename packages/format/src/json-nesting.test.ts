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
    let reads = 0;
    const counted = new Proxy(new Uint8Array(1000).fill(0x5b), {
      get: (bytes, key) => {
        if (key !== "length") reads++;
        return Reflect.get(bytes, key);
      },
    });
    expect(nestsDeeper(counted, 64)).toBe(true);
    expect(reads).toBe(65);
  });
});

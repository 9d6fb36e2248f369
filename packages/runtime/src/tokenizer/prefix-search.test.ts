import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createPrefixSearch } from "./prefix-search.ts";

/** The keys that a text begins with, in the order in which they are found. */
function found(keys: readonly string[], text: string, enough = keys.length): readonly string[] {
  const list: string[] = [];
  createPrefixSearch(keys)(
    (depth) => text.charCodeAt(depth),
    (key) => list.push(key) >= enough,
  );
  return list;
}

describe("the search among many texts", () => {
  test("finds those that a text begins with, the shortest first, until it is enough", () => {
    const keys = ["abc", "b", "a", "", "abd", "abcdef"];
    expect(found(keys, "abcde")).toEqual(["", "a", "abc"]);
    expect(found(keys, "abcde", 2)).toEqual(["", "a"]);
    expect(found(keys, "")).toEqual([""]);
    expect(found([], "a")).toEqual([]);
  });

  test("finds what asking each of them finds", () => {
    const text = fc.string({ unit: fc.constantFrom("\0", "a", "b", "\u{ffff}", "🙂"), maxLength: 6 });
    fc.assert(
      fc.property(fc.uniqueArray(text, { maxLength: 30 }), text, (keys, whole) => {
        const expected = keys.filter((key) => whole.startsWith(key)).sort((a, b) => a.length - b.length);
        expect(found(keys, whole)).toEqual(expected);
      }),
      { numRuns: 2000, seed: 3 },
    );
  });
});

import { describe, expect, test } from "vitest";
import { parseJson } from "./json.ts";

function refuse(what: string): never {
  throw new SyntaxError(what);
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("parseJson", () => {
  test.each([
    ["1", 0],
    ["[]", 1],
    ["{}", 1],
    ['{"a":[{"b":[]}]}', 4],
    ["[[],[],[[]]]", 3],
    ['["[[[[", "{{{{"]', 1],
    [String.raw`["\"[[[", "\\", [], "\\\"{{{"]`, 2],
  ])("takes %s, which nests %d deep, where that is allowed", (text, depth) => {
    expect(parseJson(bytes(text), refuse, depth)).toEqual({ value: JSON.parse(text), text });
    if (depth > 0)
      expect(() => parseJson(bytes(text), refuse, depth - 1)).toThrow(`nested more than ${depth - 1} deep`);
  });

  test("takes 64 lists in each other, and no 65th", () => {
    const nest = (depth: number): Uint8Array => bytes("[".repeat(depth) + "]".repeat(depth));
    expect(parseJson(nest(64), refuse).text).toHaveLength(128);
    expect(() => parseJson(nest(65), refuse)).toThrow("is JSON nested more than 64 deep, as no such file is");
  });

  test("takes nine million values, and not one more, whatever is between quotes", () => {
    const list = (count: number, value: string): Uint8Array => bytes(`[${Array(count).fill(value).join()}]`);
    expect(() => parseJson(list(4, '",,,,[[[["'), refuse)).not.toThrow();
    expect(() => parseJson(list(4_500_001, "{}"), refuse)).toThrow("is JSON of more than 9000000 values");
    expect(() => parseJson(list(4_500_000, "{}"), refuse)).not.toThrow();
  });

  test("reads no further than the first bracket too many", () => {
    let reads = 0;
    const counted = new Proxy(new Uint8Array(1000).fill(0x5b), {
      get: (target, key) => {
        if (key !== "length") reads++;
        return Reflect.get(target, key);
      },
    });
    expect(() => parseJson(counted, refuse)).toThrow(SyntaxError);
    expect(reads).toBe(65);
  });

  test.each([
    ["a broken character", Uint8Array.of(0x22, 0xff, 0x22), /^is not UTF-8 text$/],
    ["a mark before the text", Uint8Array.of(0xef, 0xbb, 0xbf, 0x31), /^is not JSON/],
    ["nothing", new Uint8Array(), /^is not JSON$/],
    ["text", bytes("not\njson"), /^is not JSON/],
    ["a list that goes on wrongly on line 3", bytes('[1,\n2,\n3 "x"]'), /^is not JSON from line 3 on$/],
  ])("says of %s in one line what it is not", (_, file, message) => {
    expect(() => parseJson(file, refuse)).toThrow(SyntaxError);
    expect(() => parseJson(file, refuse)).toThrow(message);
  });
});

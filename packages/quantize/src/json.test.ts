import { expect, test } from "vitest";
import { parseJsonObject } from "./json.ts";

const parse = (text: string) => parseJsonObject(new TextEncoder().encode(text), "file.json");

test("a map is parsed as JSON.parse does", () => {
  const text = '{"a": {"a": [1, {"a": null}], "b": "a\\"b: {"}, "b": true}';
  expect(parse(text)).toEqual(JSON.parse(text));
});

test.each([
  ["at the top", '{"a":1,"a":2}'],
  ["spelled with escapes", '{"a":1,"\\u0061":2}'],
  ["deep inside", '{"x":[{"y":{"k":1, "k" : 2}}]}'],
  ["after a nested map that closes", '{"a":{"b":1},"a":{}}'],
])("a key that stands twice, %s, is refused", (_, text) => {
  expect(() => parse(text)).toThrow(/file\.json holds the key ".*" twice/);
});

test("the same key in different maps is not twice", () => {
  expect(parse('{"a":{"k":1},"b":{"k":2},"c":[{"k":3},{"k":4}],"k":5}')).toMatchObject({ k: 5 });
});

test.each(["", "{", "[]", "1", "null", '"a"', "{'a':1}", '{"a":NaN}'])("%j is refused", (text) => {
  expect(() => parse(text)).toThrow(expect.objectContaining({ name: "QuantizeError", code: "checkpoint" }));
});

test("bytes that are not UTF-8 are refused", () => {
  expect(() => parseJsonObject(Uint8Array.of(0x7b, 0xff, 0x7d), "f")).toThrow(/not UTF-8/);
});

test("deep nesting neither overflows nor hangs", () => {
  const deep = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  expect(() => {
    try {
      parse(deep);
    } catch (error) {
      expect(error).toMatchObject({ name: "QuantizeError" });
    }
  }).not.toThrow();
});

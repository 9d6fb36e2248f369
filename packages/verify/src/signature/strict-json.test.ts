import { describe, expect, test } from "vitest";
import { expectText, fieldsOf, itemsOf, type Json, parseJson, textOf } from "./strict-json.ts";

const read = (text: string): Json => parseJson(new TextEncoder().encode(text), "it", "signature-form");
const refused = (message: string) =>
  expect.objectContaining({
    name: "SignatureError",
    code: "signature-form",
    message: expect.stringContaining(message),
  });

describe("strict JSON", () => {
  test.each([
    '{"a":1,"b":{"a":2,"b":{}},"c":[{"a":1},{"a":2}]}',
    ' \t\r\n{ "a" : [ 1 , -2.5e3 , true , null , "x\\"{" ] } \n',
    '{"a":{"b":1},"b":"a","c":["a","a"]}',
    '{"a":[],"b":{},"c":1}',
    '["a","a"]',
    '"{\\"a\\":1,\\"a\\":2}"',
    "5",
    `${"[".repeat(16)}${"]".repeat(16)}`,
    `${"[[],".repeat(15)}[]${"]".repeat(15)}`,
    '{"a":{"":1},"":2}',
  ])("takes %j", (text) => {
    expect(read(text).value).toEqual(JSON.parse(text));
  });

  test.each([
    ['{"a":1,"a":1}', 'key "a" stands twice'],
    ['{"a":1,"b":2,"a":3}', 'key "a" stands twice'],
    ['{"a":{"b":1,"b":2}}', 'key "b" stands twice'],
    ['{"a":[{"b":1}],"a":1}', 'key "a" stands twice'],
    ['[{"a":{},"a":1}]', 'key "a" stands twice'],
    ['{"a":{"b":[1,{"c":2}],"d":1},"e":1,"a":1}', 'key "a" stands twice'],
    ['{"a":1,"\\u0061":1}', "stands twice"],
    ['{"":1,"":2}', "stands twice"],
    ["{", "it: "],
    ["", "it: "],
    ["{'a':1}", "it: "],
    ['{"a":1,}', "it: "],
    ['{"a":1}x', "it: "],
    ['{"a":1}/*x*/', "it: "],
    ['{"a":1} \u00a0', "no JSON at 7"],
    ['{"a" 1}', "it: "],
    ["[1 2]", "it: "],
    ['"\\u12"', "it: "],
    ['"a', "no JSON at 0"],
    ["]", "it: "],
    ["}{", "it: "],
    [`${"[".repeat(17)}${"]".repeat(17)}`, "deeper than 16 levels"],
    [`${'{"a":'.repeat(17)}1${"}".repeat(17)}`, "deeper than 16 levels"],
    ["\ufeff{}", "it: "],
  ])("refuses %j", (text, message) => {
    expect(() => read(text)).toThrow(refused(message));
  });

  test("shows no more of a long key than tells what it is", () => {
    const key = "x".repeat(1000);
    expect(() => read(`{"${key}":1,"${key}":1}`)).toThrow(/^it: key "x{63} stands twice/);
    expect(() => fieldsOf(read(`{"${key}":1}`), [], [])).toThrow(/field "x{64}" that/);
    expect(() => expectText(read(`"${key}"`), "y")).toThrow(/is "x{80}", not "y"$/);
    expect(() => textOf(read(`"${key}"`), /^y$/)).toThrow(/is "x{80}", not \/\^y\$\/$/);
  });

  test("refuses bytes that are not UTF-8", () => {
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22), "it", "signature-payload")).toThrow(
      expect.objectContaining({ code: "signature-payload", cause: expect.any(Error) }),
    );
  });
});

describe("the fields of strict JSON", () => {
  test("are read by name, with their places", () => {
    const { a, b } = fieldsOf(read('{"a":{"c":["x"]}}'), ["a"], ["b"]);
    expect(b).toBeUndefined();
    const [x] = itemsOf(fieldsOf(a, ["c"], []).c);
    if (!x) throw new Error("no item");
    expect(textOf(x)).toBe("x");
    expect(textOf(x, /^x$/)).toBe("x");
    expectText(x, "x");
    expect(() => textOf(x, /^y$/)).toThrow(refused('it.a.c[0] is "x", not /^y$/'));
    expect(() => expectText(x, "y")).toThrow(refused('it.a.c[0] is "x", not "y"'));
  });

  test.each(['["a"]', "null", "5", '"a"', "true"])("are none of %s", (text) => {
    expect(() => fieldsOf(read(text), [], ["a"])).toThrow(refused("it is not an object"));
  });

  test.each(["{}", "null", '"a"', "5"])("are no list where they are %s", (text) => {
    expect(() => itemsOf(read(text))).toThrow(refused("it is not a list"));
  });

  test.each(["{}", "null", "[]", "5", "true"])("are no text where they are %s", (text) => {
    expect(() => textOf(read(text))).toThrow(refused("it is not a string"));
    expect(() => expectText(read(text), "a")).toThrow(refused("it is not a string"));
  });

  test("are all there and all known", () => {
    expect(() => fieldsOf(read('{"b":1}'), ["a"], ["b"])).toThrow(refused('it has no "a"'));
    expect(() => fieldsOf(read('{"a":1,"c":1}'), ["a"], ["b"])).toThrow(refused('a field "c" that is not known'));
    expect(() => fieldsOf(read('{"__proto__":1}'), [], [])).toThrow(refused('"__proto__"'));
    expect(() => fieldsOf(read("{}"), ["toString"], [])).toThrow(refused('it has no "toString"'));
  });
});

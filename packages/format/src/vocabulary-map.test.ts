import { describe, expect, test } from "vitest";
import { MAX_VOCABULARY_MAP, parseVocabularyMap } from "./vocabulary-map.ts";

const parse = (text: string) =>
  parseVocabularyMap(new TextEncoder().encode(text), (what) => {
    throw new Error(`vocab.json ${what}`);
  });

describe("a vocab.json", () => {
  test.each([
    ["no token", "{}", []],
    [
      "tokens in any order, with any white space",
      '{ "b":1,\n"a" : 0}',
      [
        ["b", 1],
        ["a", 0],
      ],
    ],
    [
      "quotes, backslashes and colons in tokens",
      '{"\\"": 0, "\\\\": 1, ":": 2, "\\\\\\"": 3}',
      [
        ['"', 0],
        ["\\", 1],
        [":", 2],
        ['\\"', 3],
      ],
    ],
    [
      "the names that objects have from elsewhere",
      '{"__proto__": 0, "constructor": 1}',
      [
        ["__proto__", 0],
        ["constructor", 1],
      ],
    ],
    ["the largest id", `{"a": ${Number.MAX_SAFE_INTEGER}}`, [["a", Number.MAX_SAFE_INTEGER]]],
  ])("may hold %s", (_, text, entries) => {
    expect([...parse(text)]).toEqual(entries);
  });

  test.each([
    ["one token twice", '{"a": 0, "a": 1}', "gives one token twice"],
    ["one token twice, with the same id", '{"a": 0, "a": 0}', "gives one token twice"],
    ["one token in two spellings", '{"a": 0, "\\u0061": 1}', "gives one token twice"],
    ["one token twice among escapes", '{"\\\\": 0, "\\"": 1, "\\\\": 2}', "gives one token twice"],
    ["one id twice", '{"a": 0, "b": 0}', 'gives id 0 to two tokens, one "b"'],
    ["a negative id", '{"a": -1}', 'gives the token "a" no id'],
    ["half an id", '{"a": 0.5}', 'gives the token "a" no id'],
    ["an id beyond 53 bits", '{"a": 9007199254740992}', 'gives the token "a" no id'],
    ["an id as a text", '{"a": "0"}', 'gives the token "a" no id'],
    ["a map for an id", '{"a": {}}', "is JSON nested more than 1 deep"],
    ["a list", "[]", "is no map"],
    ["nothing", "null", "is no map"],
    ["what is no JSON", "{", "is not JSON"],
  ])("may not hold %s", (_, text, message) => {
    expect(() => parse(text)).toThrow(message);
  });

  test("may not be larger than it need be, whatever it holds", () => {
    const spaces = (count: number) => `{"a": 0${" ".repeat(count - 8)}}`;
    expect([...parse(spaces(MAX_VOCABULARY_MAP))]).toEqual([["a", 0]]);
    expect(() => parse(spaces(MAX_VOCABULARY_MAP + 1))).toThrow(/has 2097153 bytes/);
  });
});

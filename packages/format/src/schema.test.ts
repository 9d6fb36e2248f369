import { describe, expect, test } from "vitest";
import {
  bytes,
  dictionary,
  integer,
  list,
  oneOf,
  optional,
  record,
  type Schema,
  text,
  union,
  type Value,
} from "./schema.ts";

const point = record({ kind: oneOf("point"), x: integer(10), y: optional(integer(10, -10)) });
const line = record({ kind: oneOf("line"), ends: list(point, 2, 2) });
const shape = union(point, line);

describe("a schema", () => {
  test.each<[string, Schema<unknown>, Value]>([
    ["an integer", integer(), Number.MAX_SAFE_INTEGER],
    ["an integer below zero", integer(0, -5), -5],
    ["a string", text(3, /^a+$/), "aaa"],
    ["a choice", oneOf("a", 1), 1],
    ["bytes", bytes(2), Uint8Array.of(1, 2)],
    ["a list", list(integer(), 2), [1, 2]],
    ["a dictionary", dictionary(integer(), 2), { a: 1, b: 2 }],
    ["a record without an optional key", point, { kind: "point", x: 1 }],
    ["a record with one", point, { kind: "point", x: 1, y: -1 }],
    [
      "one of several records",
      shape,
      {
        kind: "line",
        ends: [
          { kind: "point", x: 1 },
          { kind: "point", x: 2 },
        ],
      },
    ],
  ])("takes %s as it is", (_, schema, value) => {
    expect(schema.parse(value, "at")).toEqual(value);
  });

  test.each<[string, Schema<unknown>, Value, string]>([
    ["a string for an integer", integer(), "1", "at"],
    ["a real", integer(), 0.5, "at"],
    ["NaN", integer(), Number.NaN, "at"],
    ["2^53", integer(), 2 ** 53, "at"],
    ["an integer too small", integer(5, 1), 0, "at"],
    ["an integer too large", integer(5, 1), 6, "at"],
    ["an integer for a string", text(), 1, "at"],
    ["a string too long", text(2), "aaa", "at"],
    ["a string of another pattern", text(9, /^a+$/), "ab", "at"],
    ["no choice", oneOf("a", 1), "b", "at"],
    ["a list for a choice", oneOf("a"), ["a"], "at"],
    ["a list for bytes", bytes(), [1], "at"],
    ["bytes of another length", bytes(2), new Uint8Array(3), "at"],
    ["bytes for a list", list(integer(), 2), Uint8Array.of(1), "at"],
    ["too many items", list(integer(), 1), [1, 2], "at"],
    ["too few items", list(integer(), 2, 1), [], "at"],
    ["a wrong item", list(integer(), 2), [1, "b"], "at[1]"],
    ["a list for a map", dictionary(integer(), 2), [1], "at"],
    ["bytes for a map", point, new Uint8Array(), "at"],
    ["too many keys", dictionary(integer(), 1), { a: 1, b: 2 }, "at"],
    ["a wrong value", dictionary(integer(), 1), { a: "1" }, "at.a"],
    ["a missing key", point, { kind: "point" }, "at"],
    ["an unknown key", point, { kind: "point", x: 1, z: 1 }, "at"],
    ["a key of the prototype", point, { kind: "point", x: 1, toString: 1 }, "at"],
    ["a wrong optional key", point, { kind: "point", x: 1, y: "1" }, "at.y"],
    ["an unknown kind", shape, { kind: "circle" }, "at.kind"],
    ["no kind", shape, { x: 1 }, "at"],
    ["a kind that is no string", shape, { kind: 1 }, "at.kind"],
    [
      "a wrong record inside",
      shape,
      {
        kind: "line",
        ends: [
          { kind: "point", x: 1 },
          { kind: "line", ends: [] },
        ],
      },
      "at.ends[1]",
    ],
  ])("refuses %s, and says where", (_, schema, value, at) => {
    expect(() => schema.parse(value, "at")).toThrow(
      expect.objectContaining({ name: "FormatError", code: "schema", at }),
    );
  });

  test.each<[string, Value]>([
    ["bytes", new Uint8Array(1)],
    ["a list", [1]],
    ["a map", { kind: "point" }],
    ["a number", 1],
    ["a string", "1"],
  ])("says that it found %s where something else belongs", (found, value) => {
    const wording = new RegExp(`, found ${found}$`);
    for (const [kind, schema] of [
      ["a number", integer()],
      ["a string", text()],
      ["bytes", bytes()],
      ["a list", list(integer(), 2)],
      ["a map", dictionary(integer(), 2)],
      ["a map", shape],
    ] as const)
      if (kind !== found) expect(() => schema.parse(value, "at")).toThrow(wording);
    if (typeof value === "object") expect(() => oneOf("a").parse(value, "at")).toThrow(wording);
  });

  test("shows the string or number that is no choice", () => {
    expect(() => oneOf("a", 1).parse("b", "at")).toThrow('expected "a" or 1, found "b"');
    expect(() => oneOf("a", 1).parse(2, "at")).toThrow('expected "a" or 1, found 2');
  });
});

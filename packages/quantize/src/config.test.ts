import { expect, test } from "vitest";
import { type Config, choice, count, flag, isNull, layerCount, list, lookUp, real, share, table } from "./config.ts";
import type { JsonObject } from "./json.ts";

const config = (values: JsonObject): Config => ({ place: "config.json", values });

test("a key is found by any of its names, and null counts as absent", () => {
  expect(count(config({ num_local_experts: 8 }), ["num_experts", "num_local_experts"])).toBe(8);
  expect(count(config({ head_dim: null }), "head_dim", { or: 64 })).toBe(64);
  expect(lookUp(config({ a: null }), "a")).toBeUndefined();
  expect(isNull(config({ a: null }), "a")).toBe(true);
  expect([isNull(config({ a: 0 }), "a"), isNull(config({}), "a")]).toEqual([false, false]);
});

test("inherited names are not keys", () => {
  expect(lookUp(config({}), "toString")).toBeUndefined();
});

test("a table names its place in errors", () => {
  const inner = table(config({ moe: { topk: "4" } }), "moe");
  expect(() => count(inner, "topk")).toThrow('config.json: moe has topk = "4"; expected an integer from 1 to');
});

test.each<readonly [string, () => unknown, RegExp]>([
  ["an absent count", () => count(config({}), "hidden_size"), /lacks the key hidden_size/],
  ["an absent count of two names", () => count(config({}), ["a", "b"]), /lacks the key a or b/],
  ["zero", () => count(config({ n: 0 }), "n"), /from 1 to/],
  ["a fraction", () => count(config({ n: 1.5 }), "n"), /from 1 to/],
  ["a count in words", () => count(config({ n: "2" }), "n"), /from 1 to/],
  ["a huge count", () => count(config({ n: 1e12 }), "n"), /from 1 to 16777216/],
  ["too many layers", () => layerCount(config({ n: 5000 }), "n"), /from 1 to 4096/],
  ["a negative number", () => real(config({ eps: -1 }), "eps"), /eps = -1/],
  ["zero where it divides", () => real(config({ eps: 0 }), "eps"), /eps = 0/],
  ["a number beyond reason", () => real(config({ theta: 1e300 }), "theta"), /theta = 1e\+300/],
  ["a flag in words", () => flag(config({ f: "true" }), "f"), /expected true or false/],
  ["a list that is a map", () => list(config({ l: {} }), "l"), /expected a list/],
  ["a table that is a list", () => table(config({ t: [] }), "t"), /expected a map/],
  ["an uneven share", () => share(config({}), 10, 3, "head size"), /gives no head size: 10 is not a multiple of 3/],
])("%s is refused by name", (_, read, message) => {
  expect(read).toThrow(
    expect.objectContaining({ name: "QuantizeError", code: "config", message: expect.stringMatching(message) }),
  );
});

test("an unknown word is unsupported, and the known ones are listed", () => {
  const read = () => choice(config({ hidden_act: "mish" }), "hidden_act", { silu: 1, gelu: 2 });
  expect(read).toThrow(
    expect.objectContaining({
      code: "unsupported",
      message: 'config.json has hidden_act = "mish"; supported: silu, gelu',
    }),
  );
  expect(() => choice(config({ hidden_act: "toString" }), "hidden_act", { silu: 1 })).toThrow(/supported: silu/);
});

import { TINY_KINDS, tinyFold } from "@s7l/fixtures";
import { type Fold, spanLayout, tensorPlan } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { SHRUNK, shrunkConfig } from "../../test/shrunk-configs.ts";
import { lowerConfig } from "../lower.ts";
import { ranges, tensorGroups } from "./groups.ts";

const folds: readonly (readonly [string, Fold])[] = [
  ...TINY_KINDS.map((kind) => [kind, tinyFold(kind)] as const),
  ...SHRUNK.map((name) => [name, lowerConfig(shrunkConfig(name)).fold] as const),
];

describe("tensorGroups", () => {
  test.each(folds)("%s: groups hold every planned tensor, and nothing twice", (_, fold) => {
    const sums = { tensors: 0, numel: 0, bytes: 0 };
    for (const { times, tensors } of tensorGroups(fold)) {
      for (const { copies, numel, bytes } of tensors) {
        sums.tensors += times * copies;
        sums.numel += times * copies * numel;
        sums.bytes += times * copies * bytes;
      }
    }
    const plan = tensorPlan(fold);
    expect(sums).toEqual({
      tensors: plan.length,
      numel: plan.reduce((sum, { shape }) => sum + shape.reduce((n, size) => n * size, 1), 0),
      bytes: plan.reduce((sum, tensor) => sum + spanLayout(tensor).size, 0),
    });
  });

  test("tells how many copies of an expert a token meets", () => {
    const groups = tensorGroups(lowerConfig(shrunkConfig("mixtral-1b")).fold);
    const expert = groups.flatMap(({ tensors }) => tensors).find(({ name }) => name.includes("{expert}"));
    expect(expert).toMatchObject({ copies: 4, used: 2, shape: [24, 16] });
  });

  test("pads to 32 as seed 001 §8 does", () => {
    const [embedding] = tensorGroups({ ...tinyFold("dense"), vocab: 5 });
    expect(embedding?.tensors[0]).toMatchObject({ numel: 80, padded: 96 });
  });
});

test.each([
  [[], ""],
  [[3], "3"],
  [[0, 1, 2], "0-2"],
  [[0, 2, 3, 4, 9], "0, 2-4, 9"],
])("ranges of %j", (indices, text) => {
  expect(ranges(indices)).toBe(text);
});

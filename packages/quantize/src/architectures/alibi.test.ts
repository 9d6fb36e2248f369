import { expect, test } from "vitest";
import { alibiSlopes } from "./alibi.ts";

const reals = (heads: number): readonly number[] => [...new Float32Array(Uint32Array.from(alibiSlopes(heads)).buffer)];

test("eight heads halve from 1/2 to 1/256", () => {
  expect(reals(8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((n) => 2 ** -n));
});

test("sixteen heads go by half powers of two", () => {
  expect(reals(16)).toEqual(Array.from({ length: 16 }, (_, h) => Math.fround(2 ** (-(h + 1) / 2))));
});

test("twelve heads are those of eight, then every second of sixteen", () => {
  expect(reals(12)).toEqual([...reals(8), ...[0, 2, 4, 6].map((h) => reals(16)[h])]);
});

test("one head and three heads have slopes too", () => {
  expect(reals(1)).toEqual([2 ** -8]);
  expect(reals(3)).toEqual([2 ** -4, 2 ** -8, 2 ** -2]);
});

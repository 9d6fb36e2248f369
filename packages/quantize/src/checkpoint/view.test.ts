import { expect, test } from "vitest";
import { pick, slice, split, transpose, type View, whole } from "./view.ts";

/** The elements of a view, in order, as indices of the stored tensor. */
function indices({ offset, axes }: View): readonly number[] {
  return axes.reduce<readonly number[]>(
    (bases, { size, stride }) => bases.flatMap((base) => Array.from({ length: size }, (_, i) => base + i * stride)),
    [offset],
  );
}

test("a whole tensor is its elements in order", () => {
  expect(indices(whole("t", 2, 3))).toEqual([0, 1, 2, 3, 4, 5]);
  expect(indices(whole("scalar"))).toEqual([0]);
});

test("a slice takes rows, or columns, or every second one", () => {
  expect(indices(slice(whole("t", 4, 2), 0, 1, 2))).toEqual([2, 3, 4, 5]);
  expect(indices(slice(whole("t", 2, 3), 1, 1, 2))).toEqual([1, 2, 4, 5]);
  expect(indices(slice(whole("t", 4, 2), 0, 1, 2, 2))).toEqual([2, 3, 6, 7]);
});

test("a transposition of [in, out] gives [out, in]", () => {
  expect(indices(transpose(whole("t", 2, 3)))).toEqual([0, 3, 1, 4, 2, 5]);
});

test("picking an expert drops the first axis", () => {
  const view = pick(whole("t", 2, 2, 2), 1);
  expect(view.axes).toHaveLength(2);
  expect(indices(view)).toEqual([4, 5, 6, 7]);
  expect(indices(transpose(view))).toEqual([4, 6, 5, 7]);
});

test("splitting groups lets a part of each be sliced out", () => {
  // Two groups of three rows; the last row of each.
  expect(indices(slice(split(whole("t", 6, 2), 3), 1, 2, 1))).toEqual([4, 5, 10, 11]);
});

test.each([
  ["beyond the end", () => slice(whole("t", 4), 0, 3, 2)],
  ["before the start", () => slice(whole("t", 4), 0, -1, 1)],
  ["of nothing", () => slice(whole("t", 4), 0, 0, 0)],
  ["of an axis that is not there", () => slice(whole("t", 4), 1, 0, 1)],
  ["of groups that do not divide", () => split(whole("t", 4), 3)],
])("a slice %s is refused", (_, make) => {
  expect(make).toThrow(RangeError);
});

import { expect, test } from "vitest";
import { isAscending } from "./weights.ts";

test.each([
  [[], true],
  [[0], true],
  [[0, 1, 7], true],
  [[1, 1], false],
  [[2, 1], false],
  [[0, 2, 1], false],
  [[-1], false],
])("of the ids %j it is said that they ascend: %s", (ids, said) => {
  expect(isAscending(ids)).toBe(said);
});

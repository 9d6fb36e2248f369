import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { largestFirst, workInLanes } from "./lanes.ts";

test("each item is worked on once, at most so many at a time", async () => {
  let busy = 0;
  let most = 0;
  const done: number[] = [];
  await workInLanes([5, 4, 3, 2, 1, 0], 3, async (item) => {
    most = Math.max(most, ++busy);
    await setTimeout(item);
    busy--;
    done.push(item);
  });
  expect(done.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
  expect(most).toBe(3);
});

test("after a failure nothing is begun, and what is under way ends first", async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const work = workInLanes([0, 1, 2, 3, 4], 2, async (item) => {
    begun.push(item);
    if (item === 1) throw new Error("one");
    await setTimeout(5);
    ended.push(item);
  });
  await expect(work).rejects.toThrow("one");
  expect([begun, ended]).toEqual([[0, 1], [0]]);
});

test.each([0, 1, 9])("no items in %i lanes are no work", async (lanes) => {
  await workInLanes([], lanes, () => Promise.reject(new Error("called")));
});

test("several lanes begin with the largest, and one takes what comes", () => {
  const items = ["aa", "b", "cccc", "dd"];
  expect(largestFirst(items, 2)).toEqual(["cccc", "aa", "dd", "b"]);
  expect(largestFirst(items, 1)).toEqual(items);
});

import { describe, expect, test } from "vitest";
import { ahead } from "./ahead.ts";

const later = <T>(value: T, milliseconds: number): Promise<T> =>
  new Promise((resolve) => setTimeout(() => resolve(value), milliseconds));

describe("ahead", () => {
  test("gives results in the order of the items, however long each takes", async () => {
    const seen: number[] = [];
    for await (const item of ahead([5, 1, 3, 0], 3, (n) => later(n, n))) seen.push(item);
    expect(seen).toEqual([5, 1, 3, 0]);
  });

  test("never has more under way than its width", async () => {
    let underWay = 0;
    let most = 0;
    const task = async (n: number): Promise<number> => {
      most = Math.max(most, ++underWay);
      await later(n, 1);
      underWay--;
      return n;
    };
    for await (const _ of ahead(Array.from({ length: 20 }).keys(), 3, task));
    expect(most).toBe(3);
  });

  test("waits for what is under way when an item fails, and starts nothing more", async () => {
    const started: number[] = [];
    const finished: number[] = [];
    const run = async (): Promise<void> => {
      const results = ahead([0, 1, 2, 3, 4], 2, async (n) => {
        started.push(n);
        await later(n, n === 0 ? 1 : 10);
        finished.push(n);
        if (n === 0) throw new Error("broken");
      });
      for await (const _ of results);
    };
    await expect(run()).rejects.toThrow("broken");
    expect(started).toEqual([0, 1]);
    expect(finished).toEqual([0, 1]);
  });

  test("waits for what is under way when the consumer stops", async () => {
    const finished: number[] = [];
    for await (const _ of ahead([0, 1, 2, 3], 3, async (n) => finished.push(await later(n, 5 * n)))) break;
    expect(finished).toEqual([0, 1, 2]);
  });

  test("does nothing for nothing", async () => {
    for await (const _ of ahead([], 3, (n) => later(n, 0))) throw new Error("there is nothing");
  });
});

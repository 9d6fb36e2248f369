/** Work on many things, a few at a time. */

/**
 * Does `work` on each item, in order of their beginning, at most `lanes` at once. After one failed no other is begun; those that are under
 * way end first, so that nobody still writes where the caller thinks all is quiet. Then the first failure is thrown.
 */
export async function workInLanes<T>(
  items: readonly T[],
  lanes: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const lane = async (): Promise<void> => {
    for (let next = rest.next(); !next.done && failures.length === 0; next = rest.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(lanes, items.length)) }, lane));
  if (failures.length > 0) throw failures[0];
}

/**
 * The order in which several lanes end at about the same time: the largest first, equal ones as they stand. A single lane takes items as
 * they stand, which is how files are best read.
 */
export function largestFirst<T extends { readonly length: number }>(items: readonly T[], lanes: number): readonly T[] {
  return lanes > 1 ? items.toSorted((a, b) => b.length - a.length) : items;
}

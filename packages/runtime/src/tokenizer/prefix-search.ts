/**
 * Which of many texts a long text begins with, one character at a time: the sorted texts that agree so far are a range, which each
 * character narrows by bisection. A search takes at most as many steps as the longest text is long, and no memory beside the texts.
 */

/**
 * Calls `found` for every key that the units begin with, the shortest first, until it gives true. `unitAt` gives the UTF-16 unit
 * at a depth, NaN beyond the end.
 */
export type PrefixSearch = (unitAt: (depth: number) => number, found: (key: string) => boolean) => void;

/** A search among keys, each given once. */
export function createPrefixSearch(keys: Iterable<string>): PrefixSearch {
  const sorted = [...keys].sort(byUnits);
  return (unitAt, found) => {
    let low = 0;
    let high = sorted.length;
    for (let depth = 0; low < high; depth++) {
      const first = sorted[low];
      // A key that ends here stands before those that go on.
      if (first?.length === depth) {
        if (found(first)) return;
        low++;
      }
      const unit = unitAt(depth);
      low = lowerBound(sorted, low, high, depth, unit);
      high = lowerBound(sorted, low, high, depth, unit + 1);
    }
  };
}

const byUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The first key of the range whose unit at `depth` is at least `unit`; its end where there is none. */
function lowerBound(sorted: readonly string[], from: number, to: number, depth: number, unit: number): number {
  // Keys that agree for long are the costly ones, and most often all of a range does.
  if (unitOf(sorted[from], depth) >= unit) return from;
  if (unitOf(sorted[to - 1], depth) < unit) return to;
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (unitOf(sorted[middle], depth) >= unit) high = middle;
    else low = middle + 1;
  }
  return low;
}

const unitOf = (key: string | undefined, depth: number): number => key?.charCodeAt(depth) ?? 0;

/**
 * Does something for each item, several at a time, and gives the results in the order of the items. When the consumer stops
 * or an item fails, what is under way is waited for, so that nothing writes to anyone's memory afterwards.
 */
export async function* ahead<T, R>(
  items: Iterable<T>,
  width: number,
  start: (item: T) => Promise<R>,
): AsyncGenerator<R, void> {
  const underWay: Promise<R>[] = [];
  try {
    for (const item of items) {
      const task = start(item);
      // It is awaited in its turn; until then a failure must not end the process as unhandled.
      task.catch(() => undefined);
      underWay.push(task);
      const [first] = underWay;
      if (underWay.length < width || !first) continue;
      const result = await first;
      underWay.shift();
      yield result;
    }
    for (let first = underWay[0]; first; first = underWay[0]) {
      const result = await first;
      underWay.shift();
      yield result;
    }
  } finally {
    await Promise.allSettled(underWay);
  }
}

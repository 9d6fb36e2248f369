/** Timing on machines that are not quiet. */

/** The shortest time of one call, in seconds, of as many as fit in so many milliseconds (at least five). */
export function best(run: () => unknown, milliseconds: number): number {
  let shortest = Number.POSITIVE_INFINITY;
  const end = performance.now() + milliseconds;
  for (let i = 0; i < 5 || performance.now() < end; i++) {
    const start = performance.now();
    run();
    shortest = Math.min(shortest, performance.now() - start);
  }
  return shortest / 1000;
}

/** Timing on machines that are not quiet. */

/** The shortest time of one call, in seconds, of as many as fit in so many milliseconds (at least five). */
export async function best(run: () => unknown, milliseconds: number): Promise<number> {
  let shortest = Number.POSITIVE_INFINITY;
  const end = performance.now() + milliseconds;
  for (let i = 0; i < 5 || performance.now() < end; i++) {
    const start = performance.now();
    await run();
    shortest = Math.min(shortest, performance.now() - start);
  }
  return shortest / 1000;
}

/** The median time of one call, in seconds, of so many after a second and a half that lets the host compile. */
export async function median(run: () => unknown, runs: number): Promise<number> {
  const warm = performance.now() + 1500;
  while (performance.now() < warm) await run();
  const times: number[] = [];
  while (times.length < runs) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return (times[runs >> 1] ?? 0) / 1000;
}

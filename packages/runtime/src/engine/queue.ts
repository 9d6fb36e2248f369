/** Tasks that take turns. */
export type Queue = <Result>(task: () => Result | Promise<Result>) => Promise<Result>;

/** A queue: each task begins when those before it have ended, well or not. */
export function createQueue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const turn = last.then(task);
    last = turn.catch(() => undefined);
    return turn;
  };
}

/**
 * Letting others have the thread. What computes without a pause awaits only promises that are settled, and those let neither
 * timers nor messages nor an abort through.
 */

/** Milliseconds of work between two turns of other tasks. */
const TURN = 10;

/** When this thread last let other tasks run: many short works in a row must, too. */
let lastTurn = 0;

/** Lets other tasks of this thread run if they have waited for long. Throws the signal's reason. */
export async function takeTurn(signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  if (performance.now() - lastTurn < TURN) return;
  await new Promise<void>(soon);
  lastTurn = performance.now();
  signal?.throwIfAborted();
}

/** What hosts have of it: Node, pages, and Cloudflare's Workers, which have timers alone. */
interface Host {
  readonly setImmediate?: (task: () => void) => void;
  readonly MessageChannel?: typeof MessageChannel;
}

/** A task of its own, without the milliseconds that timers wait, where the host can. */
function soon(resolve: () => void): void {
  const host: Host & object = globalThis;
  if (host.setImmediate) {
    host.setImmediate(resolve);
    return;
  }
  if (!host.MessageChannel) {
    setTimeout(resolve);
    return;
  }
  const { port1, port2 } = new host.MessageChannel();
  port1.onmessage = () => {
    port1.close();
    resolve();
  };
  port2.postMessage(undefined);
}

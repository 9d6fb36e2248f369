/**
 * Threads that check tensors together: of what each is asked for it vouches for some, or for none. So a thread that fails costs time and
 * nothing else.
 */
import type { SharedBytes } from "@s7l/format";
import { type Checker, checkerOf, type SharedPlace, type Work } from "./checker.ts";
import { startChecking } from "./thread.ts";

/** Started threads, which do one piece of work together. */
export interface Team {
  /**
   * Has tensors checked, and calls `onHeld` for each that holds; those that it is not called for, nobody vouches for. Where one is found
   * wanting, those after it are left. Then all threads end. Throws the signal's reason.
   */
  check(place: SharedPlace, tensors: readonly Work[], onHeld: (name: string) => void): Promise<void>;
  /** Ends the threads, whatever they are doing. */
  end(): void;
}

/** Bytes of tensors that take longer to check than a thread takes to start. */
export const BYTES_A_THREAD: number = 1 << 26;

/** Bytes that a thread is asked for at a time, at least: small tensors do not wait for an answer each. */
const ASKED = 1 << 23;

/** Questions that a thread has at a time, so that it does not wait for the next one. */
const QUESTIONS = 2;

/** More than this no machine has cores for. */
const MOST_THREADS = 1024;

/** Starts as many threads as it can get of `threads`. Of a file in Node this one is among them, as a thread more costs what it takes to start. */
export function startTeam(shared: SharedBytes, threads: number, signal: AbortSignal | undefined): Team {
  const joins = shared.kind === "file";
  const others = Math.min(Math.floor(threads), MOST_THREADS) - (joins ? 1 : 0);
  const helpers = Array.from({ length: others }, startChecking).filter((thread) => thread !== undefined);
  const ending = new AbortController();
  const end = (): void => {
    signal?.removeEventListener("abort", end);
    ending.abort();
    for (const thread of helpers) thread.end();
  };
  signal?.addEventListener("abort", end);

  const check: Team["check"] = async ({ treeOffset, dataOffset, chunkSize }, tensors, onHeld) => {
    const place = { treeOffset, dataOffset, chunkSize };
    const queue = inBatches(tensors);
    /** Where the first tensor stands that was found wanting; nothing after it matters any more. */
    let first = tensors.length;
    const drain = async (check: Checker): Promise<void> => {
      for (let next = queue.pop(); next && !ending.signal.aborted; next = queue.pop()) {
        const batch = next.filter(({ index }) => index < first);
        const held = await check(batch, ending.signal);
        if (held === undefined) {
          // For another thread.
          queue.push(next);
          return;
        }
        for (const { tensor } of batch.slice(0, held)) onHeld(tensor.name);
        first = Math.min(first, batch[held]?.index ?? first);
      }
    };
    const work = helpers.flatMap((thread) => {
      thread.tell(shared, place);
      return Array.from({ length: QUESTIONS }, () => drain(thread.check));
    });
    const own = joins ? checkerOf(shared, place) : undefined;
    if (own) work.push(drain(own));
    try {
      await Promise.all(work);
      // What a thread gave back when the others had ended.
      if (own) await drain(own);
    } finally {
      // Where one fails, as the caller's own `onHeld` may, the others end before that is told.
      end();
      await Promise.allSettled(work);
    }
    signal?.throwIfAborted();
  };
  return { check, end };
}

interface Placed extends Work {
  /** Where it stands in the artifact. */
  readonly index: number;
}

/** Tensors in batches of `ASKED` bytes or one tensor, to be taken from the end: the largest come first, so that the last to end are short. */
function inBatches(tensors: readonly Work[]): Placed[][] {
  const batches: Placed[][] = [];
  let room = 0;
  const works = tensors.map((work, index) => ({ ...work, index }));
  for (const work of works.sort((a, b) => b.tensor.length - a.tensor.length)) {
    if (room <= 0) {
      batches.push([]);
      room = ASKED;
    }
    batches.at(-1)?.push(work);
    room -= work.tensor.length;
  }
  return batches.reverse();
}

/**
 * `verify` on several threads of this machine. The front, and whatever a thread does not vouch for, is checked by this thread: so
 * verdicts are those of one thread, and a thread that fails costs time and nothing else.
 */
import type { ByteSource } from "@s7l/format";
import type { SealedTensor } from "../artifact.ts";
import { type Helper, type Verification, type VerifyOptions, verifyWith } from "../verify.ts";
import { type Checker, checkerOf } from "./checker.ts";
import { startChecking } from "./thread.ts";

export interface ThreadOptions extends VerifyOptions {
  /**
   * Threads that check tensors. Of a file in Node this one is among them, letting others have it every 10 ms, as a thread more costs what it
   * takes to start; of a Blob it stays free.
   */
  readonly threads: number;
}

/** Bytes that a thread is asked for at a time, at least: small tensors do not wait for an answer each. */
const ASKED = 1 << 23;

/** Questions that a thread has at a time, so that it does not wait for the next one. */
const QUESTIONS = 2;

/** More than this no machine has cores for. */
const MOST_THREADS = 1024;

/**
 * Verifies like `verify`. Threads help where the host has any (Node, browsers, Deno, Bun) and the source can be shared with
 * them: a file or a Blob. A source on a server, and a `cache` to fill, are one thread's. Threads end before this does.
 */
export async function verifyOnThreads(
  source: ByteSource,
  { threads, ...options }: ThreadOptions,
): Promise<Verification> {
  const { shared } = source;
  if (!shared || options.cache || !(threads > 1)) return verifyWith(source, options);
  const { signal } = options;
  /** Whether this thread is one of them. */
  const joins = shared.kind === "file";
  const others = Math.min(Math.floor(threads), MOST_THREADS) - (joins ? 1 : 0);
  // Now, so that they are there when the front is verified.
  const helpers = Array.from({ length: others }, startChecking).filter((thread) => thread !== undefined);
  const ending = new AbortController();
  const end = (): void => {
    ending.abort();
    for (const thread of helpers) thread.end();
  };
  signal?.addEventListener("abort", end);

  const helper: Helper = async ({ place: { source: _, cache: __, ...place }, tensors, onVerified }) => {
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
        for (const { tensor } of batch.slice(0, held)) onVerified(tensor.name);
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
      // Where one fails, as the caller's own `onProgress` may, the others end before that is told.
      end();
      await Promise.allSettled(work);
    }
    signal?.throwIfAborted();
  };
  try {
    return await verifyWith(source, options, helper);
  } finally {
    signal?.removeEventListener("abort", end);
    end();
  }
}

interface Work extends SealedTensor {
  /** Where it stands in the artifact. */
  readonly index: number;
}

/** Tensors in batches of `ASKED` bytes or one tensor, to be taken from the end: the largest come first, so that the last to end are short. */
function inBatches(tensors: readonly SealedTensor[]): Work[][] {
  const batches: Work[][] = [];
  let room = 0;
  const works = tensors.map((sealed, index) => ({ ...sealed, index }));
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

/**
 * `verify` on several threads of this machine. The front, and whatever a thread does not vouch for, is checked by this thread: so
 * verdicts are those of one thread, and a thread that fails costs time and nothing else.
 */
import type { ByteSource } from "@s7l/format";
import { type Helper, type Verification, type VerifyOptions, verifyWith } from "../verify.ts";
import { type CheckingThread, startChecking } from "./thread.ts";

export interface ThreadOptions extends VerifyOptions {
  /** Threads that check tensors, while this one stays free; with 1 it does so itself. */
  readonly threads: number;
}

/** Questions that a thread has at a time, so that it does not wait for the next one. */
const ASKED = 2;

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
  // Now, so that they are there when the front is verified.
  const helpers = Array.from({ length: Math.min(Math.floor(threads), MOST_THREADS) }, startChecking).filter(
    (thread) => thread !== undefined,
  );
  const end = (): void => {
    for (const thread of helpers) thread.end();
  };
  signal?.addEventListener("abort", end);

  const helper: Helper = async ({ place: { source: _, cache: __, ...place }, tensors, onVerified }) => {
    // The largest first, so that the last ones to end are short: `pop` takes from the end.
    const queue = tensors.map((work, index) => ({ ...work, index })).sort((a, b) => a.tensor.length - b.tensor.length);
    /** Where the first tensor stands that was found wanting; nothing after it matters any more. */
    let first = tensors.length;
    const drain = async (thread: CheckingThread): Promise<void> => {
      for (let next = queue.pop(); next && !signal?.aborted; next = queue.pop()) {
        const { index, tensor, record } = next;
        if (index > first) continue;
        if (await thread.ask({ tensor, record })) onVerified(tensor.name);
        else first = Math.min(first, index);
      }
    };
    await Promise.all(
      helpers.map(async (thread) => {
        if (await thread.ask({ shared, place })) await Promise.all(Array.from({ length: ASKED }, () => drain(thread)));
      }),
    );
  };
  try {
    return await verifyWith(source, options, helper);
  } finally {
    signal?.removeEventListener("abort", end);
    end();
  }
}

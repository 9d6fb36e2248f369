/**
 * `verify` on several threads: tensors are checked by threads that read the same bytes by themselves, against the records that
 * this one has verified. A thread says of a tensor only that it holds. One of which that is not said is checked again here, in
 * order, so a verdict and its words are those of one thread, and a thread that fails costs time and nothing else.
 */
import type { ByteSource } from "@s7l/format";
import { type Helper, type Verification, type VerifyOptions, verifyWith } from "../verify.ts";
import { startThread, type Thread } from "./thread.ts";

export interface ThreadOptions extends VerifyOptions {
  /** Threads beside this one, which waits for them; with 0 it works alone. */
  readonly threads: number;
}

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
  if (!shared || options.cache) return verifyWith(source, options);
  const { signal } = options;
  // Now, so that they are there when the front is verified.
  const count = threads >= 1 ? Math.min(Math.floor(threads), MOST_THREADS) : 0;
  const started = Array.from({ length: count }, startThread).filter((thread) => thread !== undefined);
  const end = (): void => {
    for (const thread of started) thread.end();
  };
  signal?.addEventListener("abort", end);

  const helper: Helper = async ({ place: { source: _, cache: __, ...place }, tensors, onVerified }) => {
    // The largest first, so that the last ones to end are short: `pop` takes from the end.
    const queue = tensors.map((work, index) => ({ ...work, index })).sort((a, b) => a.tensor.length - b.tensor.length);
    /** Where the first tensor stands that a thread found wanting; nothing after it matters any more. */
    let first = tensors.length;
    const drain = async (thread: Thread): Promise<void> => {
      if (!(await thread.ask({ shared, place }))) return;
      for (let next = queue.pop(); next && !signal?.aborted; next = queue.pop()) {
        const { index, tensor, record } = next;
        if (index > first) continue;
        if (await thread.ask({ tensor, record })) onVerified(tensor.name);
        else first = Math.min(first, index);
      }
    };
    await Promise.all(started.map(drain));
  };
  try {
    return await verifyWith(source, options, helper);
  } finally {
    signal?.removeEventListener("abort", end);
    end();
  }
}

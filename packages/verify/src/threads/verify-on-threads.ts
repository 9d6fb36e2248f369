/**
 * `verify` on several threads of this machine. The front, and whatever a thread does not vouch for, is checked by this thread: so
 * verdicts are those of one thread, and a thread that fails costs time and nothing else.
 */
import type { ByteSource } from "@s7l/format";
import { chunkBuffers } from "../chunk-buffers.ts";
import { readTensor } from "../tensor-reader.ts";
import { type Helper, type TensorWork, type Verification, type VerifyOptions, verifyWith } from "../verify.ts";
import { type CheckingThread, startChecking } from "./thread.ts";

export interface ThreadOptions extends VerifyOptions {
  /** Threads that check tensors, this one among them; with 1 it works alone. */
  readonly threads: number;
}

/** More than this no machine has cores for. */
const MOST_THREADS = 1024;

/** Tensors that this thread has under way: while one waits for its bytes, another is hashed. */
const LANES = 2;

type Check = (work: TensorWork["tensors"][number]) => Promise<boolean>;

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
  const helpers = Array.from({ length: Math.min(Math.floor(threads), MOST_THREADS) - 1 }, startChecking).filter(
    (thread) => thread !== undefined,
  );
  const end = (): void => {
    for (const thread of helpers) thread.end();
  };
  signal?.addEventListener("abort", end);

  const helper: Helper = async ({ place, tensors, onVerified }) => {
    // The largest first, so that the last ones to end are short: `pop` takes from the end.
    const queue = tensors.map((work, index) => ({ ...work, index })).sort((a, b) => a.tensor.length - b.tensor.length);
    /** Where the first tensor stands that was found wanting; nothing after it matters any more. */
    let first = tensors.length;
    const drain = async (check: Check): Promise<void> => {
      for (let next = queue.pop(); next && !signal?.aborted; next = queue.pop()) {
        if (next.index > first) continue;
        if (await check(next)) onVerified(next.tensor.name);
        else first = Math.min(first, next.index);
      }
    };
    const onThread = async (thread: CheckingThread): Promise<void> => {
      const { source: _, cache: __, ...shareable } = place;
      if (await thread.ask({ shared, place: shareable }))
        await drain(({ tensor, record }) => thread.ask({ tensor, record }));
    };
    const buffers = chunkBuffers(place.chunkSize);
    const here: Check = ({ tensor, record }) =>
      readTensor(place, tensor, record, undefined, { signal, buffers, onChunk: () => undefined }).then(
        () => true,
        () => false,
      );
    await Promise.all([...helpers.map(onThread), ...Array.from({ length: LANES }, () => drain(here))]);
  };
  try {
    return await verifyWith(source, options, helper);
  } finally {
    signal?.removeEventListener("abort", end);
    end();
  }
}

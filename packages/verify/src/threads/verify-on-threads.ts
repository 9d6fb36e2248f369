/** `verify` on several threads of this machine. The front, and whatever no thread vouches for, is checked by this one: verdicts are those of one thread. */
import type { ByteSource } from "@s7l/format";
import { type Verification, type VerifyOptions, verifyWith } from "../verify.ts";
import { startTeam } from "./team.ts";

export interface ThreadOptions extends VerifyOptions {
  /**
   * Threads that check tensors. Of a file in Node this one is among them, letting others have it every 10 ms, as a thread more costs what it
   * takes to start; of a Blob it stays free.
   */
  readonly threads: number;
}

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
  // Now, so that they are there when the front is verified.
  const team = startTeam(shared, threads, options.signal);
  try {
    return await verifyWith(source, options, ({ place, tensors, onVerified }) =>
      team.check(place, tensors, onVerified),
    );
  } finally {
    team.end();
  }
}

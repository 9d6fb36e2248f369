/**
 * The body of an answer, exactly as long as announced. Memory grows with what arrives and not with what a server promises,
 * and an answer that stops coming is given up.
 */
import { HttpError } from "./errors.ts";

/** Memory taken at once on a server's word. */
const TRUSTED = 1 << 24;

/** Reads `length` bytes into `target`, or into memory of its own. `touch` is called whenever something has arrived. */
export async function readBody(
  body: ReadableStream<Uint8Array> | null,
  length: number,
  target: Uint8Array | undefined,
  touch: () => void,
): Promise<Uint8Array> {
  if (!body) throw new HttpError("body", `the answer has no body, where ${length} bytes were asked for`);
  let bytes = target ?? new Uint8Array(Math.min(length, TRUSTED));
  let filled = 0;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      touch();
      if (value.length > length - filled)
        throw new HttpError("body", `the answer goes on past the ${length} bytes that were asked for`);
      if (filled + value.length > bytes.length) {
        const grown = new Uint8Array(Math.min(length, Math.max(bytes.length * 2, filled + value.length)));
        grown.set(bytes);
        bytes = grown;
      }
      bytes.set(value, filled);
      filled += value.length;
    }
  } catch (error) {
    // Tells the server to stop; what it says to that no longer matters.
    reader.cancel().catch(() => undefined);
    throw error;
  }
  if (filled !== length) throw new HttpError("body", `the answer ended after ${filled} of ${length} bytes`);
  return bytes;
}

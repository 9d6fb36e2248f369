import { type ByteSource, createSha256 } from "@s7l/format";

/** SHA-256 of all bytes of a source. */
export async function digestOf(source: ByteSource, signal: AbortSignal): Promise<Uint8Array> {
  const hash = createSha256();
  const step = 1 << 20;
  for (let at = 0; at < source.size; at += step) {
    signal.throwIfAborted();
    hash.update(await source.read(at, Math.min(step, source.size - at)));
  }
  return hash.digest();
}

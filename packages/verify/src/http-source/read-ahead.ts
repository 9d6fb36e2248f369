/**
 * Small reads served from aligned blocks. The front of an artifact is a dozen small sections that lie together: over HTTP
 * each would cost a round trip, and one block holds them all.
 */
import type { ByteSource } from "@s7l/format";

/** Bytes of a block; reads longer than this pass through. */
export const BLOCK = 1 << 16;
/** Blocks that are kept: the front, the leaves of the tensor being read, and the ones before them. */
const KEPT = 4;

/** The same source, small reads joined. Only for a source whose bytes do not change while it is open. */
export function readAhead(source: ByteSource): ByteSource {
  const blocks = new Map<number, Promise<Uint8Array>>();
  const blockAt = (start: number): Promise<Uint8Array> => {
    const block = blocks.get(start) ?? source.read(start, Math.min(BLOCK, source.size - start));
    // Last used, last dropped; one that failed is not kept, so that it can be tried again.
    blocks.delete(start);
    blocks.set(start, block);
    block.catch(() => blocks.delete(start));
    for (const [oldest] of blocks) if (blocks.size > KEPT) blocks.delete(oldest);
    return block;
  };
  return {
    ...source,
    read: async (offset, length) => {
      const start = offset - (offset % BLOCK);
      // What is out of bounds, empty, long or across blocks is the source's own affair.
      const within = length > 0 && offset >= 0 && offset + length <= Math.min(start + BLOCK, source.size);
      if (!within) return source.read(offset, length);
      const block = await blockAt(start);
      return block.slice(offset - start, offset - start + length);
    },
  };
}

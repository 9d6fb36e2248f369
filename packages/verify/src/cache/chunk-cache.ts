/**
 * Chunks kept between sessions under their leaf hash, so that the same bytes are fetched once, whatever artifact, server or
 * tab they belong to. A cache is not trusted: what it gives is hashed again each time, and dropped where it is wrong.
 */
import { concatBytes, equalBytes, leafHashAsync, toHex } from "@s7l/format";

/**
 * Where chunks are kept: memory, OPFS, or a folder (`openFolderCache` of `@s7l/format/file`). Keys are 64 lower-case
 * hexadecimal digits. Whatever an adapter throws counts as a miss: a full or broken cache costs time and nothing else.
 */
export interface ChunkCache {
  get(key: string): Promise<Uint8Array | undefined>;
  /** The bytes are the cache's own from now on. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  delete(key: string): Promise<void>;
}

/** The chunk with this leaf hash and length, or undefined. An entry that is not that chunk is dropped. */
export async function recall(cache: ChunkCache, leaf: Uint8Array, length: number): Promise<Uint8Array | undefined> {
  const key = toHex(leaf);
  try {
    // A copy, here and in `remember`: whatever memory a cache gives or keeps, it can write to none that was verified. `slice` of a Buffer is
    // none.
    const given = await cache.get(key);
    if (!given) return undefined;
    const found = concatBytes(given);
    if (found.length === length && equalBytes(await leafHashAsync(found), leaf)) return found;
    await cache.delete(key);
  } catch {
    // A miss.
  }
  return undefined;
}

/** Keeps a chunk that was verified against this leaf. */
export async function remember(cache: ChunkCache, leaf: Uint8Array, chunk: Uint8Array): Promise<void> {
  try {
    await cache.put(toHex(leaf), concatBytes(chunk));
  } catch {
    // It will be fetched again.
  }
}

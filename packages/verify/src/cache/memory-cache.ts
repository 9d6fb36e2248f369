import { concatBytes } from "@s7l/format";
import type { ChunkCache } from "./chunk-cache.ts";

/** Chunks in memory, at most `maxBytes` of them; the longest unused go first. */
export function memoryCache(maxBytes: number): ChunkCache {
  const chunks = new Map<string, Uint8Array>();
  let size = 0;
  const drop = (key: string): void => {
    size -= chunks.get(key)?.length ?? 0;
    chunks.delete(key);
  };
  return {
    get: async (key) => {
      const chunk = chunks.get(key);
      if (!chunk) return undefined;
      // A map keeps the order of insertion: what is used goes to its end.
      chunks.delete(key);
      chunks.set(key, chunk);
      return concatBytes(chunk);
    },
    put: async (key, bytes) => {
      drop(key);
      if (bytes.length > maxBytes) return;
      chunks.set(key, concatBytes(bytes));
      size += bytes.length;
      for (const [oldest] of chunks) if (size > maxBytes) drop(oldest);
    },
    delete: async (key) => drop(key),
  };
}

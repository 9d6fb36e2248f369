import type { ChunkCache } from "./chunk-cache.ts";

/**
 * Chunks in a folder of the origin's private file system, for pages and workers. The browser may evict it as a whole unless
 * the page asked for persistent storage, and refuses to write past the origin's quota.
 */
export function opfsCache(folder: FileSystemDirectoryHandle): ChunkCache {
  return {
    get: async (key) => {
      const handle = await folder.getFileHandle(key).catch(unlessMissing);
      return handle && new Uint8Array(await (await handle.getFile()).arrayBuffer());
    },
    put: async (key, bytes) => {
      // What is written appears when the stream is closed: a tab that dies leaves no torn entry.
      const stream = await (await folder.getFileHandle(key, { create: true })).createWritable();
      try {
        await stream.write(bytes.slice());
      } catch (error) {
        await stream.abort();
        throw error;
      }
      await stream.close();
    },
    delete: async (key) => {
      await folder.removeEntry(key).catch(unlessMissing);
    },
  };
}

/** Opens the cache `name` of this origin, and makes it where there is none. */
export async function openOpfsCache(name = "s7l-chunks"): Promise<ChunkCache> {
  const root = await navigator.storage.getDirectory();
  return opfsCache(await root.getDirectoryHandle(name, { create: true }));
}

function unlessMissing(error: unknown): undefined {
  if (error instanceof Error && error.name === "NotFoundError") return undefined;
  throw error;
}

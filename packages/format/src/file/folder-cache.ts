/**
 * Chunks in a folder, one file each, under the hash of their content: the cache of verify for Node. Nothing here is synced to
 * disk, as an entry that a crash tore is found out like any other wrong one: by its hash.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FormatError } from "../errors.ts";
import { CHUNK_LOG2 } from "../header.ts";
import { PLAIN } from "./plain-open.ts";
import { folderFailure } from "./write-failure.ts";

/** What `verify` takes as `cache`. */
export interface FolderCache {
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, bytes: Uint8Array): Promise<void>;
  delete(key: string): Promise<void>;
}

/** No entry is longer than the longest chunk. */
const LONGEST = 2 ** CHUNK_LOG2.most;

/** Opens a folder of chunks, and makes it where there is none. Throws FormatError `io` where it cannot be made. */
export async function openFolderCache(folder: string): Promise<FolderCache> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw folderFailure(cause, folder, `the cache ${folder}`);
  }
  return {
    get: (key) => readEntry(placeOf(folder, key)),
    put: async (key, bytes) => {
      const place = placeOf(folder, key);
      const temporary = join(folder, `.${randomBytes(6).toString("hex")}.part`);
      try {
        await mkdir(join(folder, key.slice(0, 2)), { recursive: true, mode: 0o700 });
        await writeFile(temporary, bytes, { flag: "wx", mode: 0o600 });
        await rename(temporary, place);
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
    },
    delete: (key) => rm(placeOf(folder, key), { force: true }),
  };
}

/** Two levels, so that no folder gets too many entries. */
function placeOf(folder: string, key: string): string {
  if (!/^[0-9a-f]{64}$/.test(key)) throw new FormatError("schema", `"${key}" is not a hash`);
  return join(folder, key.slice(0, 2), key);
}

async function readEntry(place: string): Promise<Uint8Array | undefined> {
  const flags = constants.O_RDONLY | PLAIN;
  const handle = await open(place, flags).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  if (!handle) return undefined;
  try {
    const stat = await handle.stat();
    if (!stat.isFile() || stat.size > LONGEST) return new Uint8Array(0);
    const bytes = new Uint8Array(stat.size);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Folders that are made for results, and taken away again when there are none. */
import { mkdir, rmdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { folderFailure } from "@s7l/format/file";

/**
 * Makes a folder, works, and if the work fails removes every folder that this made and that is still empty. Throws FormatError `io`
 * where the folder cannot be made.
 */
export async function withFolder<T>(path: string, work: () => Promise<T>): Promise<T> {
  let made: string | undefined;
  try {
    made = await mkdir(path, { recursive: true });
  } catch (cause) {
    throw folderFailure(cause, path);
  }
  try {
    return await work();
  } catch (error) {
    if (made !== undefined) await removeEmpty(resolve(path), resolve(made));
    throw error;
  }
}

/** From the innermost out; the first that holds something stays, with all around it. */
async function removeEmpty(inner: string, outer: string): Promise<void> {
  for (let path = inner; path.length >= outer.length; path = dirname(path)) {
    try {
      await rmdir(path);
    } catch {
      return;
    }
  }
}

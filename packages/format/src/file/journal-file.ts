/**
 * A journal: a file whose name is known beforehand, in a folder that may be a stranger's. A link there must not bring lines into a file
 * of this machine, a pipe must not be waited for, and a device has no end.
 */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { FormatError } from "../errors.ts";
import { attemptWrite } from "./file-sink.ts";
import { openFileSource } from "./file-source.ts";
import { PLAIN } from "./plain-open.ts";

/** Bytes of a journal that are read at most: more than any model has tensors. */
const MOST = 2 ** 28;

/** The lines that an earlier run left, the last of them perhaps torn. A journal that is not there, or cannot be read, has none. */
export async function readLines(path: string): Promise<readonly string[]> {
  try {
    const source = await openFileSource(path);
    try {
      if (source.size > MOST) return [];
      return new TextDecoder().decode(await source.read(0, source.size)).split("\n");
    } finally {
      await source.close();
    }
  } catch (cause) {
    if (cause instanceof FormatError) return [];
    throw cause;
  }
}

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | PLAIN;

/** Appends to a journal, making it where there is none. Throws FormatError `io`, also where anything but a regular file has the name. */
export async function appendText(path: string, text: string): Promise<void> {
  await attemptWrite(path, async () => {
    const handle = await open(path, APPEND, 0o600);
    try {
      if (!(await handle.stat()).isFile()) throw new Error("a device or a pipe has that name");
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
  });
}

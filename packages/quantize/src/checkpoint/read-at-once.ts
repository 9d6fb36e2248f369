/** A checkpoint's file, read without asking for a callback: on a thread that holds up nobody, waiting costs less than being called. */
import { openShared, type SharedSource } from "@s7l/format";
import type { FileSource } from "@s7l/format/file";

/** The same file as a source that has read when it returns. */
export function readAtOnce(file: FileSource, path: string): SharedSource {
  const { shared } = file;
  if (shared?.kind !== "file") return file;
  return { ...openShared(shared, path), assertUnchanged: () => file.assertUnchanged() };
}

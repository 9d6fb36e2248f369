/** A checkpoint's file, read without asking for a callback: on a thread that holds up nobody, waiting costs less than being called. */
import { readSync } from "node:fs";
import { assertRange, type ByteSource, FormatError } from "@s7l/format";
import { type FileSource, readFailure } from "@s7l/format/file";

/** The same file as a source that has read when it returns. The system reads ahead of whoever reads in order. */
export function readAtOnce(file: FileSource, path: string): ByteSource {
  const { size, shared } = file;
  if (shared?.kind !== "file") return file;
  const fill = (offset: number, target: Uint8Array): void => {
    assertRange(size, offset, target.length);
    let filled = 0;
    while (filled < target.length) {
      let got: number;
      try {
        got = readSync(shared.descriptor, target, filled, target.length - filled, offset + filled);
      } catch (cause) {
        throw readFailure(cause, path);
      }
      if (got === 0) throw new FormatError("io", `${path} became shorter while it was read`, path);
      filled += got;
    }
  };
  return {
    size,
    read: async (offset, length) => {
      assertRange(size, offset, length);
      const bytes = new Uint8Array(length);
      fill(offset, bytes);
      return bytes;
    },
    readInto: async (offset, target) => fill(offset, target),
    assertUnchanged: () => file.assertUnchanged(),
  };
}

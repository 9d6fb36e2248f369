/** The same bytes as another thread's source. */
import { FormatError } from "./errors.ts";
import { builtin } from "./host.ts";
import { readFailure } from "./read-failure.ts";
import { assertRange, type ByteSource, blobSource, type SharedBytes } from "./source.ts";

interface NodeFiles {
  readSync(descriptor: number, target: Uint8Array, at: number, length: number, position: number): number;
}

function isNodeFiles(found: unknown): found is NodeFiles {
  return typeof found === "object" && found !== null && "readSync" in found && typeof found.readSync === "function";
}

/** What another thread shared, as this one reads it. */
export interface SharedSource extends ByteSource {
  /** Fills `target` before it returns, which holds up the thread; absent where the host reads only by promise. */
  readonly fill?: (offset: number, target: Uint8Array) => void;
}

/**
 * Opens what a source shares. A descriptor is the process's, so what is read is the very file that the other thread holds open,
 * whatever its name has come to mean. It has read when it returns: for a thread that holds up nobody. `path` is what errors call the
 * file. Throws FormatError `io` where the host has no files.
 */
export function openShared(shared: SharedBytes, path = "the file"): SharedSource {
  if (shared.kind === "blob") return blobSource(shared.blob);
  const { descriptor, size } = shared;
  const files = builtin("node:fs");
  if (!isNodeFiles(files)) throw new FormatError("io", "this host has no files");
  // Asking for a callback costs more than a read from memory, and the system reads ahead of whoever reads in order.
  const fill = (offset: number, target: Uint8Array): void => {
    assertRange(size, offset, target.length);
    let filled = 0;
    while (filled < target.length) {
      let got: number;
      try {
        got = files.readSync(descriptor, target, filled, target.length - filled, offset + filled);
      } catch (cause) {
        throw readFailure(cause, path);
      }
      if (got === 0) throw new FormatError("io", `${path} became shorter while it was read`, path);
      filled += got;
    }
  };
  return {
    size,
    fill,
    read: async (offset, length) => {
      assertRange(size, offset, length);
      const bytes = new Uint8Array(length);
      fill(offset, bytes);
      return bytes;
    },
    readInto: async (offset, target) => fill(offset, target),
  };
}

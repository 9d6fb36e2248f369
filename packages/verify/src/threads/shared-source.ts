/** The same bytes as another thread's source. */
import { assertRange, type ByteSource, blobSource, builtin, FormatError, type SharedBytes } from "@s7l/format";

interface NodeFiles {
  readSync(descriptor: number, target: Uint8Array, at: number, length: number, position: number): number;
}

function isNodeFiles(found: unknown): found is NodeFiles {
  return typeof found === "object" && found !== null && "readSync" in found && typeof found.readSync === "function";
}

/**
 * Opens what a source shares. A descriptor is the process's, so what is read is the very file that the other thread holds open,
 * whatever its name has come to mean. Throws FormatError `io` where the host has no files.
 */
export function openShared(shared: SharedBytes): ByteSource {
  if (shared.kind === "blob") return blobSource(shared.blob);
  const { descriptor, size } = shared;
  const files = builtin("node:fs");
  if (!isNodeFiles(files)) throw new FormatError("io", "this host has no files");
  // Waiting for the disk holds up nobody here, and asking for a callback costs more than a read from memory.
  const fill = (offset: number, target: Uint8Array): void => {
    assertRange(size, offset, target.length);
    let filled = 0;
    while (filled < target.length) {
      const got = files.readSync(descriptor, target, filled, target.length - filled, offset + filled);
      if (got === 0) throw new FormatError("io", "the file became shorter while it was read");
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
  };
}

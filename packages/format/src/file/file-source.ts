/**
 * A file as a source: opened once, by a handle that stays the same file whatever its name comes to mean. What is verified is
 * what is loaded, because both read through this handle.
 */
import { constants, read } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { FormatError } from "../errors.ts";
import { readFailure } from "../read-failure.ts";
import { assertRange, type ByteSource } from "../source.ts";
import { PLAIN } from "./plain-open.ts";

/** An open file. Close it when done. */
export interface FileSource extends ByteSource {
  /** Another text when the file is another, or was written to: device, inode, size and both times of change, of which one can be set back. */
  readonly identity: string;
  readInto(offset: number, target: Uint8Array): Promise<void>;
  assertUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/** What must not change while a file is read. */
interface Identity {
  readonly device: bigint;
  readonly inode: bigint;
  readonly size: bigint;
  readonly modified: bigint;
  /** Of the inode: unlike `modified`, nobody who may write the file can set it back. */
  readonly changed: bigint;
}

async function identify(handle: FileHandle, path: string): Promise<Identity> {
  const stat = await handle.stat({ bigint: true });
  if (!stat.isFile()) throw new FormatError("io", `${path} is not a regular file`, path);
  return { device: stat.dev, inode: stat.ino, size: stat.size, modified: stat.mtimeNs, changed: stat.ctimeNs };
}

/**
 * Opens a regular file for reading; a symbolic link is refused (O_NOFOLLOW), because its target may change between
 * verifying and loading. Throws FormatError `io`.
 */
export async function openFileSource(path: string): Promise<FileSource> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | PLAIN);
  } catch (cause) {
    throw readFailure(cause, path);
  }
  try {
    const opened = await identify(handle, path);
    if (opened.size > BigInt(Number.MAX_SAFE_INTEGER)) throw new FormatError("io", `${path} is too large`, path);
    return fileSource(handle, path, opened);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** By callback: the promise form of read costs a tenth of SHA-256's time a MiB. */
function readSome(fd: number, target: Uint8Array, at: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, target, at, target.length - at, position, (error, bytesRead) =>
      error ? reject(error) : resolve(bytesRead),
    );
  });
}

function fileSource(handle: FileHandle, path: string, opened: Identity): FileSource {
  const size = Number(opened.size);
  const readInto = async (offset: number, target: Uint8Array): Promise<void> => {
    assertRange(size, offset, target.length);
    let filled = 0;
    while (filled < target.length) {
      let bytesRead: number;
      try {
        bytesRead = await readSome(handle.fd, target, filled, offset + filled);
      } catch (cause) {
        throw readFailure(cause, path);
      }
      if (bytesRead === 0) throw new FormatError("io", `${path} became shorter while it was read`, path);
      filled += bytesRead;
    }
  };
  return {
    size,
    shared: { kind: "file", descriptor: handle.fd, size },
    identity: `${opened.device}-${opened.inode}-${opened.size}-${opened.modified}-${opened.changed}`,
    readInto,
    read: async (offset, length) => {
      assertRange(size, offset, length);
      const bytes = new Uint8Array(length);
      await readInto(offset, bytes);
      return bytes;
    },
    assertUnchanged: async () => {
      const now = await identify(handle, path);
      // Device and inode stay what they are as long as the handle is open.
      const same = now.size === opened.size && now.modified === opened.modified && now.changed === opened.changed;
      if (!same) throw new FormatError("io", `${path} changed while it was read`, path);
    },
    close: () => handle.close(),
  };
}

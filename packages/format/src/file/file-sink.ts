/**
 * A file that appears whole or not at all: written under a temporary name in the same folder, synced, made read-only,
 * renamed, and the folder synced.
 */
import { randomBytes } from "node:crypto";
import { constants, write, writeSync } from "node:fs";
import { type FileHandle, open, readlink, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { FormatError } from "../errors.ts";
import { assertRange, type ByteStore, type DirectSink } from "../source.ts";
import { PLAIN } from "./plain-open.ts";
import { writeFailure } from "./write-failure.ts";

/** `commit`, `suspend` or `abort` ends it; each after another does nothing, so `abort` can stand in a `finally`. */
export interface FileSink extends ByteStore {
  readonly direct: DirectSink;
  /** Bytes from the start to the end of the last write, or of what an earlier run left. */
  size(): number;
  /** Cuts off what stands beyond `size`. */
  truncate(size: number): Promise<void>;
  /** Puts the file under its final name, replacing what stood there. */
  commit(): Promise<void>;
  /** Keeps what was written under its temporary name, for a later run. */
  suspend(): Promise<void>;
  /** Removes what was written. */
  abort(): Promise<void>;
}

export interface FileSinkOptions {
  /** Permissions under the final name. Default 0444: a sealed artifact is replaced, never edited. */
  readonly mode?: number;
  /**
   * The temporary name, in a folder of the same file system; what stands there is taken up. Default: a random one beside the file.
   * Nothing is locked: two runs on one name must write the same bytes.
   */
  readonly partial?: string;
}

const TAKE_UP = constants.O_RDWR | constants.O_CREAT | PLAIN;
const CREATE = TAKE_UP | constants.O_EXCL;

/** Bytes between two requests to put on disk what was written. */
const FLUSH_EVERY = 1 << 26;

/**
 * Opens a temporary file for `path`. Throws FormatError `io`, also where a folder has that name, or a device, a pipe or a socket: a file that
 * takes the place of these takes it from everybody.
 */
export async function createFileSink(path: string, { mode = 0o444, partial }: FileSinkOptions = {}): Promise<FileSink> {
  await assertReplaceable(path);
  const folder = dirname(path);
  const temporary = partial ?? join(folder, `.${basename(path)}.${randomBytes(6).toString("hex")}.part`);
  const handle = await attemptWrite(partial ?? path, () =>
    partial ? openPartial(partial) : open(temporary, CREATE, 0o600),
  );
  let settled = false;
  const flush = flushBehind(handle);
  let { size } = await handle.stat();
  const readInto = async (offset: number, target: Uint8Array): Promise<void> => {
    assertRange(size, offset, target.length);
    const { bytesRead } = await attemptWrite(path, () => handle.read(target, 0, target.length, offset));
    if (bytesRead !== target.length)
      throw new FormatError("io", `${temporary} became shorter while it was written`, path);
  };
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    assertRange(size, offset, length);
    const bytes = new Uint8Array(length);
    await readInto(offset, bytes);
    return bytes;
  };
  const written = (offset: number, length: number): void => {
    size = Math.max(size, offset + length);
    flush.add(length);
  };
  return {
    write: async (offset, bytes) => {
      assertRange(Number.MAX_SAFE_INTEGER, offset, bytes.length);
      await attemptWrite(path, () => writeAll(handle, offset, bytes));
      written(offset, bytes.length);
    },
    direct: { path, descriptor: handle.fd, written },
    read,
    source: (length) => ({
      size: length,
      shared: { kind: "file", descriptor: handle.fd, size: length },
      read: async (offset, count) => {
        assertRange(length, offset, count);
        return read(offset, count);
      },
      readInto: async (offset, target) => {
        assertRange(length, offset, target.length);
        await readInto(offset, target);
      },
    }),
    size: () => size,
    truncate: async (length) => {
      if (length < size) await attemptWrite(path, () => handle.truncate(length));
      size = Math.min(size, length);
    },
    commit: () =>
      attemptWrite(path, async () => {
        if (settled) return;
        await flush.settle();
        await handle.sync();
        await handle.chmod(mode);
        await handle.close();
        await rename(temporary, path);
        settled = true;
        await syncFolder(folder);
      }),
    suspend: async () => {
      if (settled) return;
      settled = true;
      await handle.close();
    },
    abort: async () => {
      if (settled) return;
      settled = true;
      await handle.close();
      await attemptWrite(path, () => unlink(temporary));
    },
  };
}

/** What stands there is taken up, also where it was made read-only and its process died before it got its name. */
async function openPartial(path: string): Promise<FileHandle> {
  try {
    return await openRegular(path, TAKE_UP);
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "EACCES")) throw cause;
  }
  const finished = await openRegular(path, constants.O_RDONLY | PLAIN);
  try {
    await finished.chmod(0o600);
  } finally {
    await finished.close();
  }
  return openRegular(path, TAKE_UP);
}

async function openRegular(path: string, flags: number): Promise<FileHandle> {
  const handle = await open(path, flags, 0o600);
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new Error("its temporary name is a pipe's or a device's");
}

/** /dev/null is a device, and /dev/stdout a link to whatever is open: in a folder that we may write to, either could be renamed over. */
export async function assertReplaceable(path: string): Promise<void> {
  if (basename(path) === "") throw new FormatError("io", `"${path}" is no name of a file; give one`, path);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new FormatError("io", `${path} is a folder; give the name of a file`, path);
  const link = await readlink(path).catch(() => "");
  if (link.startsWith("/proc/") || (found && !found.isFile()))
    throw new FormatError("io", `${path} is no file but a device, a pipe or a socket; give the name of a file`, path);
}

/**
 * Puts what was written on disk while more is made. By itself the system begins after half a minute, and a commit would wait for
 * gigabytes. It reports a failure once, so that one is kept for `settle`.
 */
function flushBehind(handle: FileHandle): { add(bytes: number): void; settle(): Promise<void> } {
  let unflushed = 0;
  let flushing: Promise<void> | undefined;
  const failures: unknown[] = [];
  const flush = async (): Promise<void> => {
    unflushed = 0;
    await handle.datasync().catch((cause: unknown) => failures.push(cause));
    flushing = undefined;
  };
  return {
    add: (bytes) => {
      unflushed += bytes;
      if (unflushed >= FLUSH_EVERY) flushing ??= flush();
    },
    settle: async () => {
      await flushing;
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** Writes to an open file and waits for it: for threads that hold up nobody. Throws FormatError `io`. */
export async function writeAtOnce(
  { path, descriptor }: Pick<DirectSink, "path" | "descriptor">,
  offset: number,
  bytes: Uint8Array,
): Promise<void> {
  await attemptWrite(path, async () => {
    let written = 0;
    while (written < bytes.length)
      written += writeSync(descriptor, bytes, written, bytes.length - written, offset + written);
  });
}

async function writeAll(handle: FileHandle, offset: number, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += await writeSome(handle.fd, bytes, written, offset + written);
  }
}

/** By callback, which costs less than the promise form. */
function writeSome(fd: number, bytes: Uint8Array, at: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, at, bytes.length - at, position, (error, bytesWritten) =>
      error ? reject(error) : resolve(bytesWritten),
    );
  });
}

/** Windows has no handle of a folder to sync; a rename there is as durable as it gets. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Does what writes to `path`; a refusal of the file system becomes FormatError `io`, which says why. */
export async function attemptWrite<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    throw writeFailure(cause, path);
  }
}

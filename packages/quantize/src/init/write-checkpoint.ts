/** A fresh checkpoint on disk: a folder that appears whole or not at all. */
import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, rename, rm, statfs } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { FormatError } from "@s7l/format";
import { writeFailure } from "@s7l/format/file";
import type { FreshCheckpoint } from "./fresh-checkpoint.ts";

export interface WriteOptions {
  /** Bytes written so far, of all. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops between two blocks of a tensor; what was written is removed. */
  readonly signal?: AbortSignal;
}

/**
 * Writes a fresh checkpoint to `folder`, which must not hold anything yet. Memory is bounded by one block of a tensor. Throws
 * FormatError `io`, or the signal's reason.
 */
export async function writeCheckpoint(
  { files, size }: FreshCheckpoint,
  folder: string,
  { onProgress, signal }: WriteOptions = {},
): Promise<void> {
  const target = resolve(folder);
  const parent = dirname(target);
  await assertEmpty(target);
  const temporary = join(parent, `.${basename(target)}.${randomBytes(6).toString("hex")}.part`);
  try {
    await mkdir(temporary, { recursive: true });
    await assertRoom(parent, size);
    let done = 0;
    for (const { path, bytes } of files) {
      await mkdir(dirname(join(temporary, path)), { recursive: true });
      const handle = await open(join(temporary, path), "wx");
      try {
        for (const block of bytes()) {
          signal?.throwIfAborted();
          await handle.writeFile(block);
          done += block.length;
          onProgress?.(done, size);
        }
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
    await rename(temporary, target);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    if (cause instanceof Error && "syscall" in cause) throw writeFailure(cause, folder);
    throw cause;
  }
}

/** A checkpoint is never written into another, whose files would stay among the new. */
async function assertEmpty(folder: string): Promise<void> {
  let names: readonly string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return;
    throw new FormatError("io", `${folder} is not a folder that can be written`, folder, { cause });
  }
  if (names.length > 0)
    throw new FormatError("io", `${folder} is not empty; give a folder that does not exist yet`, folder);
}

/** Says at once what a full disk would say after an hour. */
async function assertRoom(folder: string, size: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free < size)
    throw new FormatError("io", `the checkpoint has ${size} bytes, but ${folder} has room for ${free}`, folder);
}

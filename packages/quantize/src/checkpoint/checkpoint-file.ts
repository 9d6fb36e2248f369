/**
 * The small files of a checkpoint. They are the stranger's who made it, and some are sealed as they are: a link in them must not
 * bring a file of this machine into an artifact, and a pipe or a device must not be waited for.
 */
import { lstat, realpath } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { FormatError } from "@s7l/format";
import { openFileSource } from "@s7l/format/file";
import { QuantizeError } from "../errors.ts";

/** A config, an index, a manifest or a tokenizer beyond this is not one. */
export const MAX_TEXT_FILE = 1 << 28;

/**
 * The bytes of `name` in `folder`, or undefined where there is none. A link may lead anywhere within `root`, the checkpoint's
 * own real path, or to a blob of the Hub's cache that `root` lies in. Throws QuantizeError `checkpoint`.
 */
export async function readCheckpointFile(root: string, folder: string, name: string): Promise<Uint8Array | undefined> {
  const path = join(folder, name);
  const real = await targetOf(path);
  if (real === undefined) return undefined;
  if (!isWithin(root, real) && !isBlobOf(root, real))
    refuse(
      `${path} is a link out of its checkpoint, to ${real}; copy that file here, or give the folder it lies in`,
      path,
    );
  return readWhole(real, path, MAX_TEXT_FILE);
}

/**
 * The bytes of a file that somebody named, by a link too, or undefined where there is none. Throws QuantizeError `checkpoint` for
 * one of more than `longest` bytes, and for what is no regular file.
 */
export async function readRegularFile(path: string, longest: number): Promise<Uint8Array | undefined> {
  const real = await targetOf(path);
  return real === undefined ? undefined : readWhole(real, path, longest);
}

/** Takes no link, so that the file is the one that was looked at; waits for no pipe, and reads no device. */
async function readWhole(real: string, path: string, longest: number): Promise<Uint8Array> {
  try {
    const source = await openFileSource(real);
    try {
      if (source.size > longest) refuse(`${path} has ${source.size} bytes, where ${longest} are the most`, path);
      return await source.read(0, source.size);
    } finally {
      await source.close();
    }
  } catch (cause) {
    throw cause instanceof FormatError ? new QuantizeError("checkpoint", cause.message, path, { cause }) : cause;
  }
}

/** The real path of a file, or undefined where there is none of that name. */
async function targetOf(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ENOTDIR") return undefined;
    if (code !== "ENOENT")
      return refuse(`${path} cannot be read: ${cause instanceof Error ? cause.message : cause}`, path, cause);
    const found = await lstat(path).catch(() => undefined);
    return found && refuse(`${path} is a link to nothing; remove it, or put the file there`, path, cause);
  }
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way.split(sep)[0] !== ".." && join(folder, way) === path;
}

/** The Hub's cache keeps `snapshots/<revision>/...`, each file a link to one in `blobs` beside `snapshots`. */
function isBlobOf(root: string, path: string): boolean {
  for (let folder = root; folder !== dirname(folder); folder = dirname(folder))
    if (basename(folder) === "snapshots" && dirname(path) === join(dirname(folder), "blobs")) return true;
  return false;
}

function refuse(message: string, at: string, cause?: unknown): never {
  throw new QuantizeError("checkpoint", message, at, { cause });
}

/** Files that are small or wrong: keys, signatures, proofs. Beside an artifact on a server they are fetched from there. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { readFailure } from "@s7l/format/file";
import { addressName, fetchFailure } from "@s7l/verify";
import { CliError } from "./errors.ts";

/** A key, signature or proof beyond this is none. */
const LONGEST = 1 << 20;
/** Milliseconds that a server has for all of one. */
const PATIENCE = 30_000;

/** Milliseconds after which a pipe is asked again for bytes, and how often one is asked that nobody writes to. */
const PIPE_PAUSE = 10;
const PIPE_PAUSES = 100;

/**
 * A file's bytes, or undefined where there is no such file. It may be found beside an artifact, in a stranger's folder: what is no
 * regular file is refused, and not waited for. Throws CliError `io`.
 */
export async function readSmallFile(path: string, longest = LONGEST): Promise<Uint8Array | undefined> {
  return readOpened(path, longest, false);
}

/**
 * A small file that has to be there, as whoever runs the command named it. It may be a pipe, as of `--key <(command)`, which is read
 * for as long as the command has it open. Throws CliError `io`.
 */
export async function needSmallFile(path: string, longest = LONGEST): Promise<Uint8Array> {
  return (await readOpened(path, longest, true)) ?? refuse(path, "cannot be read: there is no such file");
}

async function readOpened(path: string, longest: number, pipes: boolean): Promise<Uint8Array | undefined> {
  try {
    // By a link too: keys often lie behind one. O_NONBLOCK, which Windows lacks: a pipe that nobody writes to would never open.
    const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const stat = await handle.stat();
      if (stat.isDirectory()) return refuse(path, "cannot be read: it is a folder");
      if (stat.isFIFO() && pipes) return await readPipe(handle, path, longest);
      if (!stat.isFile()) return refuse(path, "cannot be read: it is not a regular file");
      if (stat.size > longest) return refuse(path, `has ${stat.size} bytes, where ${longest} are the most`);
      const bytes = new Uint8Array(stat.size);
      let filled = 0;
      for (let some = 1; some > 0; filled += some)
        ({ bytesRead: some } = await handle.read(bytes, filled, bytes.length - filled, filled));
      return bytes.subarray(0, filled);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (isCoded(cause, "ENOENT")) return undefined;
    throw cause instanceof CliError ? cause : readFailure(cause, path);
  }
}

/**
 * What comes from a pipe until its last writer closes it. It is asked again and again, so that no thread blocks and a second Ctrl-C
 * ends it; one whose writers are silent is waited for, and one that no writer has opened yet for a second.
 */
async function readPipe(handle: FileHandle, path: string, longest: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for (let absent = 0; absent < PIPE_PAUSES; ) {
    const piece = await readSome(handle, longest + 1 - size);
    if (piece && piece.length > 0) {
      size += piece.length;
      if (size > longest) return refuse(path, `has more than ${longest} bytes`);
      pieces.push(piece);
      continue;
    }
    if (piece && size > 0) return new Uint8Array(Buffer.concat(pieces));
    // Nobody has it open for writing: not yet, or no more.
    if (piece) absent++;
    await wait(PIPE_PAUSE);
  }
  return refuse(path, "is a pipe that nobody writes to");
}

/** Bytes that are there, none at the end; undefined where a writer may still give some. */
async function readSome(handle: FileHandle, most: number): Promise<Uint8Array | undefined> {
  try {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(Math.min(most, 1 << 16)), 0, null, null);
    return buffer.subarray(0, bytesRead);
  } catch (cause) {
    if (isCoded(cause, "EAGAIN")) return undefined;
    throw cause;
  }
}

const isCoded = (cause: unknown, code: string): boolean =>
  cause instanceof Error && "code" in cause && cause.code === code;

/** The bytes at an address, or undefined where the server has none. Throws CliError `io`. `patience`: milliseconds for the whole. */
export async function fetchSmallFile(
  url: URL,
  signal: AbortSignal,
  patience = PATIENCE,
): Promise<Uint8Array | undefined> {
  const late = AbortSignal.timeout(patience);
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, late]) });
    if (response.status === 404) return undefined;
    if (response.status !== 200 || !response.body)
      return refuse(addressName(url), `cannot be fetched: status ${response.status}`);
    const pieces: Uint8Array[] = [];
    let size = 0;
    for await (const piece of response.body) {
      size += piece.length;
      if (size > LONGEST) return refuse(addressName(url), `has more than ${LONGEST} bytes`);
      pieces.push(piece);
    }
    return new Uint8Array(Buffer.concat(pieces));
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof CliError) throw cause;
    return refuse(
      addressName(url),
      `cannot be fetched: ${late.aborted ? `it took more than ${patience} ms` : fetchFailure(cause)}`,
    );
  }
}

function refuse(place: string, what: string): never {
  throw new CliError("io", `${place} ${what}`, place);
}

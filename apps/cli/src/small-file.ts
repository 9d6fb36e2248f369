/** Files that are small or wrong: keys, signatures, proofs. Beside an artifact on a server they are fetched from there. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { readFailure } from "@s7l/format/file";
import { fetchFailure } from "@s7l/verify";
import { CliError } from "./errors.ts";

/** A key, signature or proof beyond this is none. */
const LONGEST = 1 << 20;
/** Milliseconds that a server has for all of one. */
const PATIENCE = 30_000;

/** A file's bytes, or undefined where there is no such file. Throws CliError `io`. */
export async function readSmallFile(path: string, longest = LONGEST): Promise<Uint8Array | undefined> {
  try {
    // By a link too: keys often lie behind one. O_NONBLOCK, which Windows lacks: a pipe that nobody writes to would never open.
    const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const stat = await handle.stat();
      if (stat.isDirectory()) return refuse(path, "cannot be read: it is a folder");
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
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw cause instanceof CliError ? cause : readFailure(cause, path);
  }
}

/** The bytes at an address, or undefined where the server has none. Throws CliError `io`. `patience`: milliseconds for the whole. */
export async function fetchSmallFile(
  url: string,
  signal: AbortSignal,
  patience = PATIENCE,
): Promise<Uint8Array | undefined> {
  const late = AbortSignal.timeout(patience);
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, late]) });
    if (response.status === 404) return undefined;
    if (response.status !== 200 || !response.body) return refuse(url, `cannot be fetched: status ${response.status}`);
    const pieces: Uint8Array[] = [];
    let size = 0;
    for await (const piece of response.body) {
      size += piece.length;
      if (size > LONGEST) return refuse(url, `has more than ${LONGEST} bytes`);
      pieces.push(piece);
    }
    return new Uint8Array(Buffer.concat(pieces));
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof CliError) throw cause;
    return refuse(url, `cannot be fetched: ${late.aborted ? `it took more than ${patience} ms` : fetchFailure(cause)}`);
  }
}

/** A small file that has to be there. Throws CliError `io`. */
export async function needSmallFile(path: string, longest = LONGEST): Promise<Uint8Array> {
  return (await readSmallFile(path, longest)) ?? refuse(path, "cannot be read: there is no such file");
}

function refuse(place: string, what: string): never {
  throw new CliError("io", `${place} ${what}`, place);
}

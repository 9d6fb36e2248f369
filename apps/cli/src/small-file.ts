/** Files that are small or wrong: keys, signatures, proofs. Beside an artifact on a server they are fetched from there. */
import { open } from "node:fs/promises";
import { readFailure } from "@s7l/format/file";
import { CliError } from "./errors.ts";

/** A key, signature or proof beyond this is none. */
const LONGEST = 1 << 20;

/** A file's bytes, or undefined where there is no such file. Throws CliError `io`. */
export async function readSmallFile(path: string, longest = LONGEST): Promise<Uint8Array | undefined> {
  try {
    // By a link too: keys often lie behind one.
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      if (size > longest) return refuse(path, `has ${size} bytes, where ${longest} are the most`);
      return new Uint8Array(await handle.readFile());
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw cause instanceof CliError ? cause : readFailure(cause, path);
  }
}

/** The bytes at an address, or undefined where the server has none. Throws CliError `io`. */
export async function fetchSmallFile(url: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch (cause) {
    signal.throwIfAborted();
    return refuse(url, `cannot be fetched: ${messageOf(cause)}`);
  }
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
}

/** A small file that has to be there. Throws CliError `io`. */
export async function needSmallFile(path: string, longest = LONGEST): Promise<Uint8Array> {
  return (await readSmallFile(path, longest)) ?? refuse(path, "cannot be read: there is no such file");
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function refuse(place: string, what: string): never {
  throw new CliError("io", `${place} ${what}`, place);
}

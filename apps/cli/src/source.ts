/** Opens what FILE|URL names. */
import { open, stat } from "node:fs/promises";
import { type ByteSource, equalBytes, MAGIC } from "@s7l/format";
import { openFileSource } from "@s7l/format/file";
import { addressName, openHttpSource, VerifyError } from "@s7l/verify";
import { CliError, refuseUsage } from "./errors.ts";

/** A source with an end. */
export interface OpenSource extends ByteSource {
  close(): Promise<void>;
}

/** Whether a place is on a server. */
export function isAddress(place: string): boolean {
  return /^https?:\/\//i.test(place);
}

/** A place as sentences name it: of an address without the query, where signed ones have their secret. */
export const nameOf = (place: string): string => (isAddress(place) ? addressName(addressOf(place)) : place);

/** Whether a file begins as artifacts do, whatever its name. A pipe is left alone: what is read from one is gone. */
export async function isArtifactFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) return false;
  const handle = await open(path, "r");
  try {
    const { buffer } = await handle.read(new Uint8Array(MAGIC.length), 0, MAGIC.length, 0);
    return equalBytes(buffer, MAGIC);
  } finally {
    await handle.close();
  }
}

/**
 * The address that a place on a server is. Throws CliError `usage` for one that is malformed, and for one with a name and password, which
 * no message is to show.
 */
export function addressOf(place: string): URL {
  const url = URL.canParse(place) ? new URL(place) : undefined;
  if (url && !url.username && !url.password) return url;
  return refuseUsage(
    `"${place.replace(/.*@/s, "…@")}" is not an address${url ? " that is taken: leave out its name and password" : ""}`,
  );
}

/**
 * Opens a file, or a file on a server that serves ranges. Throws FormatError `io` or HttpError where it cannot be read, CliError `io` for
 * a folder, and `usage` for what is no address.
 */
export async function openSource(place: string, signal: AbortSignal): Promise<OpenSource> {
  if (!isAddress(place)) {
    await assertNoFolder(place);
    return openFileSource(place);
  }
  return { ...(await openHttpSource(addressOf(place), { signal })), close: async () => undefined };
}

/** What people give for its file is mostly a checkpoint. */
async function assertNoFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory())
    throw new CliError(
      "io",
      `${path} is a folder; s7l build ${path} --out model.s7l makes a file of a checkpoint`,
      path,
    );
}

/** Opens, works and closes, whatever happens. */
export async function withSource<T>(
  place: string,
  signal: AbortSignal,
  work: (source: ByteSource) => Promise<T>,
): Promise<T> {
  const source = await openSource(place, signal);
  try {
    return await work(source);
  } catch (error) {
    throw error instanceof VerifyError ? named(error, nameOf(place)) : error;
  } finally {
    await source.close();
  }
}

/** What is wrong with an artifact, with its name and the way to know more. */
function named({ rule, code, message, at, cause }: VerifyError, place: string): VerifyError {
  return new VerifyError(rule, code, `${place} is refused: ${message}; s7l verify ${place} tells of every rule`, at, {
    cause,
  });
}

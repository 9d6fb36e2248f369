/** Files that a verb writes at its end, held against the rest of its command line before anything is computed. */
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { createFileSink } from "@s7l/format/file";
import { CliError, refuseUsage } from "./errors.ts";

type Place = string | undefined;

/**
 * Asks of every output whether it can be written, by beginning to, and whether it would take the place of what is read, by whatever
 * name, or of another output. Throws FormatError or CliError `io`, and CliError `usage`.
 */
export async function assertOutputs(outputs: readonly Place[], inputs: readonly Place[]): Promise<void> {
  const read = new Set<string>();
  for (const place of inputs) if (place !== undefined) read.add(await identityOf(place));
  const written = new Set<string>();
  for (const place of outputs) {
    if (place === undefined) continue;
    const identity = await identityOf(place);
    if (read.has(identity))
      throw new CliError("io", `${place} is read here, and would be lost: give the output another name`, place);
    if (written.has(identity)) refuseUsage(`${place} is to hold two outputs: give each a name of its own`);
    written.add(identity);
    await (await createFileSink(place)).abort();
  }
}

/** The same text for one file by two names: where it lies on the disk, or where it is going to. */
async function identityOf(place: string): Promise<string> {
  const found = await stat(place, { bigint: true }).catch(() => undefined);
  if (found) return `${found.dev}:${found.ino}`;
  const folder = await realpath(dirname(place)).catch(() => resolve(dirname(place)));
  return join(folder, basename(place));
}

/** Files of token ids: what people hand over where there is no text. */
import { parseJson } from "@s7l/format";
import { RuntimeError } from "@s7l/runtime";
import { CliError } from "./errors.ts";
import { needSmallFile } from "./small-file.ts";

/** A file of ids beyond this is none; it is read whole. */
const MAX_BYTES = 1 << 28;
/** Lists of objects of lists, at the deepest. */
const DEEPEST = 8;
/** A digit and a comma each. */
const MAX_IDS = MAX_BYTES / 2;

/**
 * Sequences of ids: a JSON array of ids (one sequence), of arrays of ids, or of objects with `ids`. Throws CliError `io` or `foreign`
 * with the place in the file.
 */
export async function readSequences(path: string): Promise<readonly (readonly number[])[]> {
  const { value: json } = parseJson(
    await needSmallFile(path, MAX_BYTES),
    (what) => refuse(path, what),
    DEEPEST,
    MAX_IDS,
  );
  if (!Array.isArray(json) || json.length === 0)
    return refuse(path, "is not a list of token ids, nor of lists of them");
  if (json.every((item) => typeof item === "number")) return [idsOf(json, path)];
  return json.map((item: unknown, i) => idsOf(isRecord(item) ? item.ids : item, `${path}[${i}]`));
}

function idsOf(value: unknown, at: string): readonly number[] {
  if (!Array.isArray(value) || value.length === 0) return refuse(at, "is not a list of token ids");
  return value.map((id: unknown) => {
    if (typeof id === "number" && Number.isSafeInteger(id) && id >= 0) return id;
    return refuse(at, `holds ${String(JSON.stringify(id)).slice(0, 40)}, which is no token id`);
  });
}

/** Holds the ids of a file to a model's. Throws RuntimeError `ids` with the place in the file. */
export function assertKnownIds(path: string, sequences: readonly (readonly number[])[], vocab: number): void {
  for (const [i, ids] of sequences.entries()) {
    const stray = ids.find((id) => id >= vocab);
    const at = sequences.length === 1 ? path : `${path}[${i}]`;
    if (stray !== undefined)
      throw new RuntimeError("ids", `${at} holds ${stray}, which is not one of the model's ${vocab} ids`, at);
  }
}

/** A whole file as text. Throws CliError `io`, and `foreign` where it is not UTF-8. */
export async function readText(path: string): Promise<string> {
  const bytes = await needSmallFile(path, MAX_BYTES);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refuse(path, "is not UTF-8 text");
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function refuse(at: string, message: string): never {
  throw new CliError("foreign", `${at} ${message}`, at);
}

/**
 * What a run that writes a weights folder has finished, for one that goes on after it was killed: a line a tensor, appended as the work
 * goes on. A line that is not whole is none, and the spans that the others speak of count only where they match their hash.
 */
import { sha256, toHex } from "../hash.ts";
import { appendText, readLines } from "./journal-file.ts";

/** A finished tensor. */
export interface WrittenTensor {
  readonly name: string;
  /** SHA-256 of the source bytes, and of the span: 64 hexadecimal digits each. */
  readonly source: string;
  readonly span: string;
  /** What the weights had to say of it, as JSON. */
  readonly note?: unknown;
}

/** Characters of a line at most; what is longer is written again rather than trusted. */
const LONGEST_LINE = 4096;

const HEX = /^[0-9a-f]{64}$/;

/** The tensors that a journal has, by name. No journal, or none that can be read, has none. */
export async function readJournal(path: string): Promise<ReadonlyMap<string, WrittenTensor>> {
  const written = new Map<string, WrittenTensor>();
  for (const line of await readLines(path)) {
    const tensor = parseLine(line);
    if (tensor) written.set(tensor.name, tensor);
  }
  return written;
}

/** Appends tensors. Throws FormatError `io`. */
export async function appendJournal(path: string, tensors: readonly WrittenTensor[]): Promise<void> {
  await appendText(path, tensors.map(lineOf).join(""));
}

const checkOf = (json: string): string => toHex(sha256(new TextEncoder().encode(json)));

/** The hash of the rest stands first: a disk that lost power may hold a line of any content. The first line break ends a torn one. */
function lineOf({ name, source, span, note }: WrittenTensor): string {
  const json = JSON.stringify({ name, source, span, note });
  return `\n${checkOf(json)} ${json}\n`;
}

function parseLine(line: string): WrittenTensor | undefined {
  const json = line.slice(65);
  if (line.length > LONGEST_LINE || line[64] !== " " || checkOf(json) !== line.slice(0, 64)) return undefined;
  const found = jsonIn(json);
  if (typeof found !== "object" || found === null || !("name" in found && "source" in found && "span" in found))
    return undefined;
  const { name, source, span } = found;
  if (typeof name !== "string" || typeof source !== "string" || typeof span !== "string") return undefined;
  if (!HEX.test(source) || !HEX.test(span)) return undefined;
  return { name, source, span, ...("note" in found ? { note: found.note } : {}) };
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A hash says that bytes are whole, not that they are JSON.
    return undefined;
  }
}

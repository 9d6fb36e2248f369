/**
 * JSON from a file that nobody vouches for. How deep it nests is known before it is parsed: JSON.parse takes 60 bytes of memory
 * for each open bracket, so that twenty megabytes of `[` cost a gibibyte, and whoever walks what it gives overflows the stack.
 */

const QUOTE = 0x22;
const ESCAPE = 0x5c;

/** Deeper than any configuration, header or tokenizer. */
const DEEPEST = 64;

/** More values than any header, index or tokenizer has: each takes some 60 bytes of memory, and no more than three of its file. */
const MOST_VALUES = 9e6;

/** What a JSON file says, and its text. */
export interface ParsedJson {
  readonly value: unknown;
  readonly text: string;
}

/**
 * Parses a JSON file that nests at most `deepest` lists and maps, and has `most` values or so. What is none is said to `refuse`, which throws an error of the
 * caller's: `what` goes on from the file's name ("is not UTF-8 text").
 */
export function parseJson(
  bytes: Uint8Array,
  refuse: (what: string, cause?: unknown) => never,
  deepest = DEEPEST,
  most = MOST_VALUES,
): ParsedJson {
  assertModest(bytes, deepest, most, refuse);
  let text: string;
  try {
    // Without ignoreBOM a leading mark would vanish unseen.
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    return refuse("is not UTF-8 text", cause);
  }
  try {
    return { value: JSON.parse(text), text };
  } catch (cause) {
    // Engines quote what they choked on, line ends and all; only the place is of use, where they tell it.
    const position = /position (\d+)/.exec(String(cause))?.[1];
    const line = position === undefined ? undefined : text.slice(0, Number(position)).split("\n").length;
    return refuse(line === undefined ? "is not JSON" : `is not JSON from line ${line} on`, cause);
  }
}

/** Refuses a JSON text (UTF-8) that nests deeper than `deepest`, or may have too many values. Says nothing else about it. */
function assertModest(json: Uint8Array, deepest: number, most: number, refuse: (what: string) => never): void {
  let depth = 0;
  let values = 0;
  let quoted = false;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (quoted) {
      if (byte === ESCAPE) i++;
      else if (byte === QUOTE) quoted = false;
    } else if (byte === QUOTE) quoted = true;
    else if (byte === 0x2c) values++;
    else if (byte === 0x5b || byte === 0x7b) {
      values++;
      if (++depth > deepest) refuse(`is JSON nested more than ${deepest} deep, as no such file is`);
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  if (values > most) refuse(`is JSON of more than ${most} values, as no such file is`);
}

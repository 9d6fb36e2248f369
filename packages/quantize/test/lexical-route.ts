/** A test tool: the expert of each position, from the spec's words (spec s7, "The lexical router"). */
import type { LexicalTable } from "@s7l/format";

/** Routes of a sequence whose tokens decode to `pieces`. */
export function routesOf(
  { windowBytes, domains, fallback }: LexicalTable,
  pieces: readonly string[],
): readonly number[] {
  return pieces.map((_, i) => {
    const bytes = new TextEncoder().encode(pieces.slice(0, i + 1).join(""));
    const tail = bytes.subarray(Math.max(0, bytes.length - windowBytes));
    const cut = tail.findIndex((byte) => (byte & 0xc0) !== 0x80);
    const text = new TextDecoder().decode(tail.subarray(cut < 0 ? tail.length : cut));
    const lowered = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    const characters = [...text];
    const digits = characters.filter((character) => /[0-9]/.test(character)).length;
    const found = domains.find(
      ({ triggers, caseInsensitive, digitPercentAbove }) =>
        triggers.some((trigger) => (caseInsensitive ? lowered : text).includes(trigger)) ||
        (digitPercentAbove !== undefined && 100 * digits > digitPercentAbove * characters.length),
    );
    return (found ?? fallback).expert;
  });
}

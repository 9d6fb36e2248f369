/**
 * The lexical router: which expert a position goes to, from the text alone.
 *
 * A pure function of the last `windowBytes` UTF-8 bytes of the decoded context, the current token's included; special tokens
 * add none. Domains are tried in order, the first that matches wins, else the fallback. It works on bytes: for text that
 * is valid UTF-8 that is the rule on characters, and a model that writes broken UTF-8 is still routed by one rule. A byte costs
 * at most the longest trigger, whatever the window holds: an artifact of a stranger may hold a window of 64 KiB and 4 MB of triggers.
 */
import type { LexicalTable } from "@s7l/format";
import { createPrefixSearch } from "../tokenizer/prefix-search.ts";

/** Routes one sequence, token by token. */
export interface RouteCursor {
  /** The expert of the next position, whose token adds `bytes` to the text. */
  readonly step: (bytes: Uint8Array) => number;
}

/** A router for a sealed table: each call starts a new sequence with an empty context. */
export function createLexicalRouter(table: LexicalTable): () => RouteCursor {
  const { windowBytes, domains, fallback } = table;
  const asWritten = searchBackwards(domains, 0);
  const lowercased = searchBackwards(domains, 1);
  return () => {
    const window = createWindow(windowBytes);
    // Where the latest trigger of each domain begins that the text has held: it lies in the window, or none does.
    const latest = domains.map(({ triggers }) => (triggers.includes("") ? Number.POSITIVE_INFINITY : -1));
    const note = (domain: number, length: number): void => {
      latest[domain] = Math.max(latest[domain] ?? -1, window.end() - length);
    };
    const matches = ({ digitPercentAbove }: Domain, index: number): boolean =>
      (latest[index] ?? -1) >= Math.max(0, window.end() - windowBytes) ||
      (digitPercentAbove !== undefined && 100 * window.digits() > digitPercentAbove * window.characters());
    const lowercaseBack = (depth: number): number => lowercase(window.back(depth));
    return {
      step: (bytes) => {
        for (const byte of bytes) {
          window.push(byte);
          asWritten(window.back, note);
          lowercased(lowercaseBack, note);
        }
        return (domains.find(matches) ?? fallback).expert;
      },
    };
  };
}

type Domain = LexicalTable["domains"][number];

/**
 * Finds the triggers that end where the window does: they are read from their ends, so that none costs anything while its last
 * byte has not come. Of those that begin at one place the first domain's is noted, and of longer ones only what goes before.
 */
function searchBackwards(domains: readonly Domain[], caseInsensitive: 0 | 1) {
  const first = new Map<string, number>();
  for (const [index, domain] of domains.entries())
    if (domain.caseInsensitive === caseInsensitive)
      for (const trigger of domain.triggers) {
        const key = String.fromCharCode(...new TextEncoder().encode(trigger).toReversed());
        if (key !== "" && !first.has(key)) first.set(key, index);
      }
  const search = createPrefixSearch(first.keys());
  return (back: (depth: number) => number, note: (domain: number, length: number) => void): void => {
    let best = domains.length;
    search(back, (key) => {
      const domain = first.get(key) ?? best;
      if (domain < best) note(domain, key.length);
      best = Math.min(best, domain);
      return best === 0;
    });
  };
}

/** The last `size` bytes of a text, with what the rule counts in them. */
function createWindow(size: number) {
  const ring = new Uint8Array(size);
  let end = 0;
  let digits = 0;
  let starts = 0;
  const count = (byte: number, sign: 1 | -1): void => {
    if (byte >= 0x30 && byte <= 0x39) digits += sign;
    if (!isContinuation(byte)) starts += sign;
  };
  const back = (depth: number): number =>
    depth < Math.min(end, size) ? (ring[(end - 1 - depth) % size] ?? Number.NaN) : Number.NaN;
  return {
    push: (byte: number): void => {
      if (end >= size) count(ring[end % size] ?? 0, -1);
      ring[end++ % size] = byte;
      count(byte, 1);
    },
    /** Bytes that have come. */
    end: () => end,
    /** The byte so many before the last; NaN before the window. */
    back,
    digits: () => digits,
    /**
     * Whole characters: every byte but a continuation begins one, but for one that the end cuts. No trigger ends in it either, as
     * triggers end with a character. The rest of one before the window's first needs no care: it begins no character.
     */
    characters: () => starts - (endsInCharacter(back) ? 1 : 0),
  };
}

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

/** Whether the last bytes begin a character that needs more of them. */
function endsInCharacter(back: (depth: number) => number): boolean {
  let rest = 0;
  while (rest < 3 && isContinuation(back(rest))) rest++;
  return back(rest) >= (FIRST_BYTES[rest] ?? Number.POSITIVE_INFINITY);
}

/** The least byte that begins a character of more than one, two and three bytes. */
const FIRST_BYTES = [0xc0, 0xe0, 0xf0];

/** ASCII only: the bytes of other characters stay. */
const lowercase = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);

/**
 * The lexical router: which expert a position goes to, from the text alone.
 *
 * A pure function of the last `windowBytes` UTF-8 bytes of the decoded context, the current token's included; special tokens
 * add none. Domains are tried in order, the first that matches wins, else the fallback. It works on bytes: for text that
 * is valid UTF-8 that is the rule on characters, and a model that writes broken UTF-8 is still routed by one rule.
 */
import type { LexicalTable } from "@s7l/format";

/** Routes one sequence, token by token. */
export interface RouteCursor {
  /** The expert of the next position, whose token adds `bytes` to the text. */
  readonly step: (bytes: Uint8Array) => number;
}

/** A router for a sealed table: each call starts a new sequence with an empty context. */
export function createLexicalRouter(table: LexicalTable): () => RouteCursor {
  // Bytes as characters of one byte each: searching them is what engines do fastest.
  const domains = table.domains.map((domain) => ({
    ...domain,
    triggers: domain.triggers.map((trigger) => binary(new TextEncoder().encode(trigger))),
  }));
  const route = (window: string): number => {
    const whole = withoutCutCharacter(window);
    const lower = lowercase(whole);
    const match = domains.find(
      ({ triggers, caseInsensitive, digitPercentAbove }) =>
        triggers.some((trigger) => (caseInsensitive ? lower : whole).includes(trigger)) ||
        (digitPercentAbove !== undefined && 100 * digits(whole) > digitPercentAbove * characters(whole)),
    );
    return (match ?? table.fallback).expert;
  };
  return () => {
    let window = "";
    return {
      step: (bytes) => {
        window = (window + binary(bytes)).slice(-table.windowBytes);
        return route(window);
      },
    };
  };
}

function binary(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/**
 * Leaves out the start of a character after the window's last whole one. The rest of one before its first needs no care: it
 * begins no character, so it is not counted, and no trigger begins with it.
 */
const withoutCutCharacter = (window: string): string => window.replace(CUT_AT_END, "");

const CUT_AT_END = /(?:[\xc0-\xff]|[\xe0-\xff][\x80-\xbf]|[\xf0-\xff][\x80-\xbf]{2})$/;

/** ASCII only: `toLowerCase` would change bytes of other characters. */
const lowercase = (window: string): string => window.replace(/[A-Z]+/g, (run) => run.toLowerCase());

const digits = (window: string): number => window.match(/[0-9]/g)?.length ?? 0;
/** Every byte but a continuation begins a character. */
const characters = (window: string): number => window.match(/[^\x80-\xbf]/g)?.length ?? 0;

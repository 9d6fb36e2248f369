/** Stop texts in a stream: what may still become one is held back until it is or is not. */

/** A filter for one stream of text. */
export interface StopText {
  /** The text that is certain now; `stopped` when a stop text was found, which then and all after it is left out. */
  readonly push: (text: string) => { readonly text: string; readonly stopped: boolean };
  /** What was held back, at the end of the stream. */
  readonly end: () => string;
}

/**
 * Watches for any of `stops`; empty ones never match. Of several, the one that is complete first counts, and of those the
 * longest: so the pieces in which the text comes change nothing.
 */
export function stopAt(stops: readonly string[]): StopText {
  const wanted = stops.filter((stop) => stop !== "");
  let held = "";
  return {
    push: (text) => {
      held += text;
      const [first] = wanted
        .map((stop) => ({ start: held.indexOf(stop), length: stop.length }))
        .filter(({ start }) => start >= 0)
        .sort((a, b) => a.start + a.length - (b.start + b.length) || a.start - b.start);
      if (first) {
        const before = held.slice(0, first.start);
        held = "";
        return { text: before, stopped: true };
      }
      const certain = held.length - longestHead(held, wanted);
      const out = held.slice(0, certain);
      held = held.slice(certain);
      return { text: out, stopped: false };
    },
    end: () => held,
  };
}

/** Length of the longest end of `text` that begins one of `stops`. */
function longestHead(text: string, stops: readonly string[]): number {
  const longest = Math.max(0, ...stops.map(({ length }) => length - 1));
  for (let n = Math.min(longest, text.length); n > 0; n--) {
    if (stops.some((stop) => stop.startsWith(text.slice(-n)))) return n;
  }
  return 0;
}

/**
 * How far a long step is, on stderr. On a terminal one line that redraws itself; elsewhere (a pipe, a log, CI) a plain line every
 * ten seconds, so that short work leaves none.
 */
import { inkFor, type Output } from "./ink.ts";
import { formatBytes, formatCount, formatSeconds } from "./quantity.ts";

export interface Progress {
  /** Says how far a step is; `unit` is what is counted. A step that is done ends with `clear`. */
  readonly show: (step: string, done: number, total: number, unit?: "bytes" | "chunks" | "tokens") => void;
  /** Takes the line away. */
  readonly clear: () => void;
}

export interface ProgressOptions {
  /** No progress at all. */
  readonly silent: boolean;
  /** Whether lines may redraw themselves; not under CI, whose logs keep every frame. */
  readonly animated: boolean;
  /** Milliseconds; a test gives its own clock. */
  readonly now?: () => number;
}

/** Milliseconds between two frames, and between two plain lines. */
const FRAME = 100;
const LINE = 10_000;
const BAR = 24;

export function createProgress(
  stream: Output,
  { silent, animated, now = () => performance.now() }: ProgressOptions,
): Progress {
  const ink = inkFor(stream);
  let step = "";
  let started = 0;
  let drawn = 0;
  let visible = false;
  const clear = (): void => {
    if (visible) stream.write("\r\u001b[K");
    visible = false;
    step = "";
  };
  const show: Progress["show"] = (name, done, total, unit = "bytes") => {
    if (silent) return;
    const time = now();
    if (name !== step) {
      clear();
      step = name;
      started = time;
      // The first frame comes after one interval, so a step that is over by then never flickers.
      drawn = time;
      return;
    }
    if (time - drawn < (animated ? FRAME : LINE)) return;
    drawn = time;
    const text = describe(done, total, unit, time - started);
    if (!animated) {
      stream.write(`${name}: ${text}\n`);
      return;
    }
    const share = total > 0 ? Math.min(1, done / total) : 0;
    const full = Math.round(share * BAR);
    const bar = `${ink.cyan("━".repeat(full))}${ink.dim("━".repeat(BAR - full))}`;
    // Never wider than the terminal: a wrapped line cannot be taken back.
    const room = (stream.columns ?? 80) - name.length - BAR - 5;
    stream.write(`\r\u001b[K${name} ${bar} ${room > 0 ? text.slice(0, room) : ""}`);
    visible = true;
  };
  return { show, clear };
}

function describe(done: number, total: number, unit: "bytes" | "chunks" | "tokens", elapsed: number): string {
  const format = unit === "bytes" ? formatBytes : (count: number) => `${formatCount(count)} ${unit}`;
  const percent = total > 0 ? Math.floor((100 * done) / total) : 0;
  const rate = elapsed > 0 ? (1000 * done) / elapsed : 0;
  const left = rate > 0 ? formatSeconds((1000 * (total - done)) / rate) : "?";
  return `${percent} % of ${format(total)}, ${format(Math.round(rate))}/s, ${left} left`;
}

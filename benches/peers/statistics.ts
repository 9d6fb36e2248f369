/** What a row of turns says: medians, and ratios of turns of the same round. */
import { DECODE, PREFILL, type Turn } from "./turn.ts";

const TOKENS: Readonly<Record<keyof Turn, number>> = { prefill: PREFILL, decode: DECODE };

/** Median tokens a second. */
export function rateOf(part: keyof Turn, turns: readonly Turn[]): string {
  return `${part} ${median(turns.map((turn) => TOKENS[part] / turn[part])).toFixed(1)} tok/s`;
}

/** How often faster than the other in the same round: median (least to most). */
export function ratioOf(part: keyof Turn, turns: readonly Turn[], others: readonly Turn[]): string {
  const ratios = turns.map((turn, i) => (others[i]?.[part] ?? Number.NaN) / turn[part]);
  return `${median(ratios).toFixed(2)} x (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`;
}

/** The middle one, or the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return ((sorted[middle] ?? 0) + (sorted[sorted.length - 1 - middle] ?? 0)) / 2;
}

/** ALiBi's fixed slopes (arXiv 2108.12409, appendix A of its code). */
import { fixed, power, toF32Bits } from "../fixed-point.ts";
import type { Rules } from "../lowering.ts";

/** The sealed name of the slopes; one vector a model. */
export const SLOPES = "alibi.slopes";

/**
 * f32 bits of each head's slope: 2^(-8 (h + 1) / n) for n a power of two; else those of the next lower power of two, then every
 * second one of twice that number.
 */
export function alibiSlopes(heads: number): readonly number[] {
  const lower = 2 ** Math.floor(Math.log2(heads));
  const first = Array.from({ length: lower }, (_, h) => slope(h, lower));
  return [...first, ...Array.from({ length: heads - lower }, (_, h) => slope(2 * h, 2 * lower))];
}

function slope(head: number, heads: number): number {
  return toF32Bits(power(fixed(2), (-8n * BigInt(head + 1) * fixed(1)) / BigInt(heads)));
}

/** The rule that gives {@link SLOPES}. */
export const alibiRules = (heads: number): Rules => ({
  [SLOPES]: () => ({ kind: "derived", from: [`alibi_heads=${heads}`], inputs: [], compute: () => alibiSlopes(heads) }),
});

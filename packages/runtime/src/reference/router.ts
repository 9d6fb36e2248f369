/** Which experts a token goes to, and with what weight. Ties go to the lowest index. */
import type { Router } from "@s7l/format";
import type { Activation, Block } from "./block.ts";
import { exp2Wide, LOG2E_Q30, ratioQ30, sigmoidWide } from "./elementary.ts";
import { f32Parts } from "./f32.ts";
import { mulShift, shiftSaturating } from "./integer.ts";
import { applyLinear, type LinearMap } from "./linear.ts";

export interface RouterWeights {
  readonly router: Router;
  readonly linear: LinearMap;
  /** Selection bias of each expert, Q30. */
  readonly bias: readonly number[] | undefined;
}

/** weight = factor / 2^30 · 2^exponent. */
export interface Choice {
  readonly expert: number;
  readonly factor: number;
  readonly exponent: number;
}

/** Chosen experts in ascending index. */
export function chooseExperts({ router, linear, bias }: RouterWeights, used: number, x: Activation): readonly Choice[] {
  const logits = applyLinear(linear, x);
  const scores = routerScores(router, logits);
  // Without bias or sums of scores, the order of the logits is the order of the scores, before any rounding.
  const sums = router.groups !== undefined && router.groups.top > 1;
  const values = bias ? scores.map((s, i) => s + (bias[i] ?? 0)) : sums ? scores : Array.from(logits.mantissas);
  const chosen = best(values, used, groupMembers(router, values)).sort((a, b) => a - b);
  const sum = chosen.reduce((total, e) => total + (scores[e] ?? 0), 0);
  const scale = f32Parts(router.scale);
  return chosen.map((expert) => {
    const share = router.weights === "normalised" ? ratioQ30(scores[expert] ?? 0, sum) : (scores[expert] ?? 0);
    return { expert, factor: mulShift(share, scale.significand, 24), exponent: scale.exponent + 24 };
  });
}

/** Softmax or sigmoid of the logits, Q30. */
function routerScores(router: Router, { mantissas, exponent }: Block): readonly number[] {
  const logits = Array.from(mantissas, (m) => shiftSaturating(m, exponent + 20)); // Q20
  if (router.score === "sigmoid") return logits.map(sigmoidWide);
  const max = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = logits.map((l) => exp2Wide(mulShift(l - max, LOG2E_Q30, 30)));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => ratioQ30(p, total));
}

/** Indices of the `count` largest values among `members`, best first. */
function best(values: readonly number[], count: number, members: readonly number[]): number[] {
  return [...members].sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b).slice(0, count);
}

/** The experts of the best groups, or all. */
function groupMembers(router: Router, values: readonly number[]): readonly number[] {
  const all = values.map((_, i) => i);
  const { groups } = router;
  if (!groups) return all;
  const size = values.length / groups.count;
  const members = Array.from({ length: groups.count }, (_, g) => all.slice(g * size, (g + 1) * size));
  const worth = members.map((group) => best(values, groups.top, group).reduce((sum, e) => sum + (values[e] ?? 0), 0));
  return best(
    worth,
    groups.used,
    members.map((_, g) => g),
  ).flatMap((g) => members[g] ?? []);
}

/**
 * How far a program can drive its exponents. A norm makes its values small again; without one a matrix adds to their exponents, and
 * a product of two such values doubles them: some thirty layers of products would leave the 32 bits in which engines hold exponents,
 * each in its own way.
 */
import type { Ffn, Fold, Stack } from "./fold.ts";

/** No exponent of a legal program comes near 2^28, so that the sum of a few of them stays within 32 bits. */
const MAX_EXPONENT = 1 << 28;
/** More than a half of a layer adds to an exponent: three matrices with scales of 2^±150, their product, biases, a router's weight. */
const STEP = 1 << 11;

/** Whether no exponent can pass the limit, whatever the weights are. */
export function staysInRange({ stages }: Fold): boolean {
  let exponent = STEP;
  for (const stage of stages) {
    if (stage.kind !== "project") exponent = afterStack(stage.stack, exponent);
    exponent += STEP;
  }
  return exponent <= MAX_EXPONENT;
}

function afterStack({ kinds, order }: Stack, before: number): number {
  let exponent = before;
  /** x += f(norm x). */
  const add = (norm: unknown, multiplies: boolean | undefined): void => {
    const from = norm ? STEP : exponent;
    exponent = Math.max(exponent, multiplies ? 2 * from : from) + STEP;
  };
  for (const index of order) {
    const kind = kinds[index];
    add(kind?.attentionNorm, kind?.attention.project.kind === "tpa");
    add(kind?.ffnNorm, kind && multiplies(kind.ffn));
  }
  return exponent;
}

/** Whether a network multiplies what its matrices give with each other. */
function multiplies(ffn: Ffn): boolean {
  if (ffn.kind === "experts") return multiplies(ffn.expert) || (ffn.shared !== undefined && multiplies(ffn.shared.ffn));
  return ffn.kind === "plain" ? ffn.activation === "relu2" : true;
}

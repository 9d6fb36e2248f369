/** RMSNorm and LayerNorm of a block. */
import type { Norm } from "@s7l/format";
import { add, type Block, blockBits, normalise } from "./block.ts";
import { reciprocalSqrt, type Scaled } from "./elementary.ts";
import { bitLength, pow2, roundDiv, roundShift } from "./integer.ts";

export interface NormWeights {
  readonly kind: Norm["kind"];
  readonly eps: Scaled;
  /** 24-bit mantissas. */
  readonly gain: Block;
  readonly bias: Block | undefined;
}

/** x / sqrt(mean(x²) + eps) · gain; `layer`: of x - mean(x), plus bias. */
export function applyNorm(norm: NormWeights, x: Block): Block {
  switch (norm.kind) {
    case "rms":
      return scaleByRms(norm, x);
    case "layer": {
      const y = scaleByRms(norm, centre(x));
      return norm.bias ? add(y, norm.bias) : y;
    }
  }
}

/** x - mean(x), from 25-bit mantissas. */
function centre(x: Block): Block {
  const { mantissas, exponent } = normalise(x, 25);
  let sum = 0;
  for (const m of mantissas) sum += m;
  const mean = roundDiv(sum, mantissas.length);
  return { mantissas: mantissas.map((m) => m - mean), exponent };
}

function scaleByRms(norm: NormWeights, x: Block): Block {
  if (blockBits(x) === 0) return x;
  const v = normalise(x, 26);
  const inverse = reciprocalSqrt(meanSquarePlus(v, norm.eps));
  const { mantissas: gain, exponent: gainExponent } = norm.gain;
  const mantissas = v.mantissas.map((m, i) => roundShift(roundShift(m * (gain[i] ?? 0), 24) * inverse.significand, 26));
  return { mantissas, exponent: v.exponent + gainExponent + inverse.exponent + 50 };
}

/** mean(x²) + eps of a block of 26-bit mantissas; the squares are taken of 18 bits, so that 2^17 of them sum below 2^53. */
function meanSquarePlus(x: Block, eps: Scaled): Scaled {
  const n = x.mantissas.length;
  let sum = 0;
  for (const m of x.mantissas) sum += roundShift(m, 8) ** 2;
  const squares = withBits({ significand: sum, exponent: 2 * (x.exponent + 8) }, 50);
  const epsilon = withBits({ significand: eps.significand * n, exponent: eps.exponent }, 50);
  const total = addScaled(squares, epsilon);
  return { significand: Math.floor(total.significand / n), exponent: total.exponent };
}

/** The same value with a significand of `bits` bits. */
function withBits(x: Scaled, bits: number): Scaled {
  if (x.significand === 0) return x;
  const k = bitLength(x.significand) - bits;
  return { significand: k >= 0 ? roundShift(x.significand, k) : x.significand * pow2(-k), exponent: x.exponent + k };
}

/** a + b, both of 50 bits or zero. */
function addScaled(a: Scaled, b: Scaled): Scaled {
  if (a.significand === 0) return b;
  if (b.significand === 0) return a;
  const [large, small] = a.exponent >= b.exponent ? [a, b] : [b, a];
  return {
    significand: large.significand + roundShift(small.significand, large.exponent - small.exponent),
    exponent: large.exponent,
  };
}

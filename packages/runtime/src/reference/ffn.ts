/** Feed-forward networks of one expert or a dense layer. */
import type { ExpertFfn } from "@s7l/format";
import type { Activation } from "./block.ts";
import { add, type Block, multiply, normalise, quantise } from "./block.ts";
import { GELU_TANH_Q24, NORMAL_Q24, sigmoid } from "./elementary.ts";
import { f32Parts } from "./f32.ts";
import { mulShift, roundShift, shiftSaturating } from "./integer.ts";
import { applyLinear, type LinearMap } from "./linear.ts";

/** The matrices of an {@link ExpertFfn}: `inner` is gate or fc1, `up` only where it is gated, `outer` down or fc2. */
export interface FfnWeights {
  readonly ffn: ExpertFfn;
  readonly inner: LinearMap;
  readonly up: LinearMap | undefined;
  readonly outer: LinearMap;
}

export function applyFfn({ ffn, inner, up, outer }: FfnWeights, x: Activation): Block {
  const first = applyLinear(inner, x);
  const hidden = up ? gate(ffn, first, applyLinear(up, x)) : activate(ffn, first);
  return applyLinear(outer, quantise(hidden));
}

function gate(ffn: ExpertFfn, first: Block, up: Block): Block {
  if (ffn.kind !== "clamped") return multiply(activate(ffn, first), up);
  const g = clamp(first, ffn.limit, false);
  const u = clamp(up, ffn.limit, true);
  const one: Block = { mantissas: new Int32Array(u.mantissas.length).fill(1 << 24), exponent: -24 };
  const { significand, exponent } = f32Parts(ffn.alpha);
  const swish = mapSigmoid(g, (m) => shiftSaturating(mulShift(m, significand, 24), g.exponent + exponent + 40));
  return multiply(swish, add(u, one));
}

/** min(x, limit), and max(x, -limit) where `both`. */
function clamp(x: Block, limitBits: number, both: boolean): Block {
  const { significand, exponent } = f32Parts(limitBits);
  const limit = shiftSaturating(significand, exponent - x.exponent);
  const mantissas = x.mantissas.map((m) => Math.min(limit, both ? Math.max(-limit, m) : m));
  return { mantissas, exponent: x.exponent };
}

/** The activation function, element by element. */
function activate(ffn: ExpertFfn, x: Block): Block {
  switch (ffn.kind === "clamped" ? "silu" : ffn.activation) {
    case "silu":
      return mapSigmoid(x, (m) => shiftSaturating(m, x.exponent + 16));
    case "geluTanh":
      return mapSigmoid(x, (m) => oddPolynomial(GELU_TANH_Q24, limited(shiftSaturating(m, x.exponent + 16), 16)));
    case "geluErf":
      return mapSigmoid(x, (m) => oddPolynomial(NORMAL_Q24, limited(shiftSaturating(m, x.exponent + 16), 5)));
    case "relu":
      return { mantissas: x.mantissas.map((m) => Math.max(0, m)), exponent: x.exponent };
    case "relu2": {
      const r = normalise({ mantissas: x.mantissas.map((m) => Math.max(0, m)), exponent: x.exponent }, 26);
      return { mantissas: r.mantissas.map((m) => roundShift(m * m, 26)), exponent: 2 * r.exponent + 26 };
    }
  }
}

/** x · sigmoid(argument(x)); the argument is Q16. */
function mapSigmoid(x: Block, argument: (mantissa: number) => number): Block {
  return { mantissas: x.mantissas.map((m) => mulShift(m, sigmoid(argument(m)), 15)), exponent: x.exponent };
}

/** Q16, limited to ±bound. */
const limited = (x: number, bound: number): number => Math.max(-bound * 65536, Math.min(bound * 65536, x));

/** x (b0 + b1 x² + …) for x in Q16 and coefficients in Q24, as Q16. */
function oddPolynomial(coefficients: readonly number[], x: number): number {
  const x2 = roundShift(x * x, 16);
  let p = 0;
  for (let k = coefficients.length - 1; k >= 0; k--) p = (coefficients[k] ?? 0) + mulShift(p, x2, 16);
  return mulShift(p, x, 24);
}

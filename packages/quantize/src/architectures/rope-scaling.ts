/** The scalings of rotary positions that a config may ask for: `linear`, `llama3` and `yarn`, as transformers computes them. */
import { type Config, count, flagOrNone, lookUp, real, refuseIf } from "../config.ts";
import { add, ceiling, clamp, divide, type Fixed, fixed, floor, ln, multiply, PI } from "../fixed-point.ts";

const ONE = fixed(1);

export type ScalingKind = "linear" | "llama3" | "yarn";

/** What a scaling starts from. */
export interface Scaling {
  readonly config: Config;
  /** The map of its parameters, within the config. */
  readonly scaling: Config;
  readonly factor: Fixed;
  readonly theta: number;
  readonly dims: number;
  /** The frequencies without a scaling. */
  readonly plain: readonly Fixed[];
}

interface Stretched {
  readonly inverse: readonly Fixed[];
  /** Multiplies sine and cosine. */
  readonly magnitude?: Fixed;
}

/** A scaled rotation. */
export interface Scaled extends Stretched {
  /** Multiplies the softmax scale of latent attention. */
  readonly scale: Fixed;
}

/** Scales the frequencies of a rotation. Throws QuantizeError `config` or `unsupported`. */
export function scaledRope(kind: ScalingKind, scaling: Scaling): Scaled {
  refuseIf(
    real(scaling.scaling, "partial_rotary_factor", { or: 1 }) !== 1,
    scaling.scaling,
    "has a partial_rotary_factor, which this family has not",
  );
  return { ...SCALINGS[kind](scaling), scale: softmaxFactor(scaling.scaling, scaling.factor) };
}

const SCALINGS: Readonly<Record<ScalingKind, (scaling: Scaling) => Stretched>> = {
  linear: ({ factor, plain }) => ({ inverse: plain.map((f) => divide(f, factor)) }),

  /** Long waves are slowed by `factor`, short ones kept, those between blended. */
  llama3: ({ config, scaling, factor, plain }) => {
    const low = fixed(real(scaling, "low_freq_factor"));
    const high = fixed(real(scaling, "high_freq_factor"));
    refuseIf(high <= low, scaling, "has a high_freq_factor that is not above its low_freq_factor");
    const original = fixed(originalContext(config, scaling));
    const blend = (f: Fixed): Fixed => {
      // O / wavelength, as wavelength = 2π / f.
      const waves = divide(multiply(original, f), 2n * PI);
      const s = clamp(divide(waves - low, high - low), 0n, ONE);
      return multiply(ONE - s, divide(f, factor)) + multiply(s, f);
    };
    return { inverse: plain.map(blend) };
  },

  /** arXiv 2309.00071, as transformers computes it. */
  yarn: ({ config, scaling, factor, theta, dims, plain }) => {
    const original = fixed(originalContext(config, scaling));
    const truncate = flagOrNone(scaling, "truncate");
    // The dim whose wave turns `rotations` times within the original context.
    const dimOf = (rotations: number): Fixed => {
      const waves = divide(original, multiply(2n * PI, fixed(rotations)));
      return divide(multiply(fixed(dims), ln(waves)), 2n * ln(fixed(theta)));
    };
    const fast = dimOf(real(scaling, "beta_fast", { or: 32 }));
    const slow = dimOf(real(scaling, "beta_slow", { or: 1 }));
    const from = truncate ? floor(fast) : fast;
    const to = truncate ? ceiling(slow) : slow;
    const low = from > 0n ? from : 0n;
    const limit = fixed(dims - 1);
    const high = clamp(to, to, limit);
    const width = high === low ? fixed(0.001) : high - low;
    const inverse = plain.map((f, i) => {
      const ramp = clamp(divide(fixed(i) - low, width), 0n, ONE);
      return multiply(divide(f, factor), ramp) + multiply(f, ONE - ramp);
    });
    return { inverse, magnitude: yarnMagnitude(scaling, factor) };
  },
};

/**
 * The context before it was stretched. Transformers 5 takes the config's own key before the parameters', 4 the reverse, so
 * where both are they must agree.
 */
function originalContext(config: Config, scaling: Config): number {
  const key = "original_max_position_embeddings";
  const [outer, inner] = [config, scaling].map((place) =>
    lookUp(place, key) === undefined ? undefined : count(place, key),
  );
  refuseIf(
    outer !== undefined && inner !== undefined && outer !== inner,
    config,
    `has ${key} = ${outer}, and ${inner} in its rope parameters: versions of transformers disagree on which counts; leave the wrong one out`,
  );
  return outer ?? inner ?? count(config, "max_position_embeddings");
}

/** What transformers multiplies the softmax scale of latent attention by, whatever the scaling is called. */
function softmaxFactor(scaling: Config, factor: Fixed): Fixed {
  const all = real(scaling, "mscale_all_dim", { or: 0, min: 0 });
  const scale = all === 0 ? ONE : yarnScale(factor, all);
  return multiply(scale, scale);
}

/** m(f, x) = 0.1 x ln f + 1, or 1 where nothing is stretched. */
function yarnScale(factor: Fixed, x: number): Fixed {
  return factor <= ONE ? ONE : add(multiply(divide(fixed(x), fixed(10)), ln(factor)), ONE);
}

function yarnMagnitude(scaling: Config, factor: Fixed): Fixed {
  if (lookUp(scaling, "attention_factor") !== undefined) return fixed(real(scaling, "attention_factor"));
  const mscale = real(scaling, "mscale", { or: 0, min: 0 });
  const all = real(scaling, "mscale_all_dim", { or: 0, min: 0 });
  if (mscale !== 0 && all !== 0) return divide(yarnScale(factor, mscale), yarnScale(factor, all));
  return yarnScale(factor, 1);
}

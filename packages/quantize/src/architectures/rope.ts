/**
 * Rotary positions from a config: theta, partial rotation and the scalings `linear`, `llama3` and `yarn`, from the classic
 * `rope_theta` + `rope_scaling` and from `rope_parameters` of transformers 5. Other scalings are refused by name.
 */
import type { Position } from "@s7l/format";
import { type Config, choice, count, flag, lookUp, real, refuseConfig, refuseIf, table } from "../config.ts";
import {
  add,
  ceiling,
  clamp,
  divide,
  exp,
  type Fixed,
  fixed,
  floor,
  ln,
  multiply,
  PI,
  squareRoot,
  toF32Bits,
  toTurns,
} from "../fixed-point.ts";
import { isObject } from "../json.ts";
import type { Derived, Rules } from "../lowering.ts";

/** The sealed name of the frequencies; one vector a model. */
const FREQUENCIES = "rope.frequencies";

/** The format's limit of a head, held here because a frequency takes time to compute. */
const MAX_DIMS = 512;

const ONE = fixed(1);

/** Which dims of a head turn, and how they pair. */
export interface Rotation {
  readonly pairs: "half" | "interleaved";
  readonly dims: number;
  /** First rotated dim; default 0. */
  readonly offset?: number;
  /** rope_theta of the family's own code where the config has none. */
  readonly theta: number;
}

export interface LoweredRope {
  readonly position: Position;
  readonly rules: Rules;
  /** What YaRN multiplies the softmax scale of latent attention by: m(factor, mscale_all_dim)². */
  readonly scale: Fixed;
}

/** Reads the positions of a config. Frequencies are sealed in turns a position, so nothing is left to compute. */
export function ropeOf(config: Config, { pairs, dims, offset = 0, theta: defaultTheta }: Rotation): LoweredRope {
  refuseIf(
    dims % 2 !== 0 || dims > MAX_DIMS,
    config,
    `rotates ${dims} dims of a head; an even number up to ${MAX_DIMS} is needed`,
  );
  const parameters = lookUp(config, "rope_parameters") === undefined ? undefined : table(config, "rope_parameters");
  const scaling =
    parameters ?? (lookUp(config, "rope_scaling") === undefined ? undefined : table(config, "rope_scaling"));
  const theta = real(parameters && lookUp(parameters, "rope_theta") !== undefined ? parameters : config, "rope_theta", {
    or: defaultTheta,
  });
  if (theta <= 1) refuseConfig(config, `has rope_theta = ${theta}; it must be above 1`);
  const plain = inverseFrequencies(theta, dims);
  const kinds = { default: "default", linear: "linear", llama3: "llama3", yarn: "yarn" } as const;
  const kind = scaling
    ? choice(scaling, ["rope_type", "type"], kinds, isUnscaled(scaling) ? "default" : undefined)
    : "default";
  const scaled = scaling ? SCALINGS[kind]({ config, scaling, theta, dims, plain }) : { inverse: plain };
  const from = [
    `rope_theta=${theta}`,
    `rotary_dims=${dims}`,
    ...(scaling ? [`rope_type=${kind}`, ...parametersOf(scaling)] : []),
  ];
  const frequencies: Derived = { kind: "derived", from, inputs: [], compute: () => scaled.inverse.map(toTurns) };
  const magnitude = toF32Bits(scaled.magnitude ?? ONE);
  return {
    position: { kind: "rope", pairs, offset, dims, frequencies: FREQUENCIES, magnitude },
    rules: { [FREQUENCIES]: () => frequencies },
    scale: scaled.scale ?? ONE,
  };
}

/** theta^(-2i/dims) for i < dims/2. */
export function inverseFrequencies(theta: number, dims: number): readonly Fixed[] {
  const logarithm = ln(fixed(theta));
  return Array.from({ length: dims / 2 }, (_, i) => exp((-2n * BigInt(i) * logarithm) / BigInt(dims)));
}

/** Parameters without a type mean no scaling, unless they hold a factor or are nested by kinds of layer. */
const isUnscaled = ({ values }: Config): boolean =>
  !Object.hasOwn(values, "factor") && !Object.values(values).some((value) => isObject(value));

/** The numbers and flags of the parameters, for the record. */
function parametersOf({ values }: Config): readonly string[] {
  const plain = Object.entries(values).filter(
    ([key, value]) => /^\w{1,64}$/.test(key) && /^(number|boolean)$/.test(typeof value),
  );
  return plain
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .slice(0, 32);
}

interface Scaling {
  readonly config: Config;
  readonly scaling: Config;
  readonly theta: number;
  readonly dims: number;
  readonly plain: readonly Fixed[];
}

interface Scaled {
  readonly inverse: readonly Fixed[];
  /** Multiplies sine and cosine. */
  readonly magnitude?: Fixed;
  readonly scale?: Fixed;
}

const SCALINGS: Readonly<Record<"default" | "linear" | "llama3" | "yarn", (scaling: Scaling) => Scaled>> = {
  default: ({ plain }) => ({ inverse: plain }),

  linear: ({ scaling, plain }) => {
    const factor = fixed(real(scaling, "factor"));
    return { inverse: plain.map((f) => divide(f, factor)) };
  },

  /** Long waves are slowed by `factor`, short ones kept, those between blended. */
  llama3: ({ scaling, plain }) => {
    const factor = fixed(real(scaling, "factor"));
    const low = fixed(real(scaling, "low_freq_factor"));
    const high = fixed(real(scaling, "high_freq_factor"));
    refuseIf(high <= low, scaling, "has a high_freq_factor that is not above its low_freq_factor");
    const original = fixed(count(scaling, "original_max_position_embeddings"));
    const blend = (f: Fixed): Fixed => {
      // O / wavelength, as wavelength = 2π / f.
      const waves = divide(multiply(original, f), 2n * PI);
      const s = clamp(divide(waves - low, high - low), 0n, ONE);
      return multiply(ONE - s, divide(f, factor)) + multiply(s, f);
    };
    return { inverse: plain.map(blend) };
  },

  /** arXiv 2309.00071, as transformers computes it. */
  yarn: ({ config, scaling, theta, dims, plain }) => {
    const factor = fixed(real(scaling, "factor"));
    const original = fixed(
      count(scaling, "original_max_position_embeddings", { or: count(config, "max_position_embeddings", { or: 1 }) }),
    );
    const truncate = flag(scaling, "truncate", true);
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
    const all = real(scaling, "mscale_all_dim", { or: 0, min: 0 });
    return {
      inverse,
      magnitude: yarnMagnitude(scaling, factor, all),
      scale: square(all === 0 ? ONE : yarnScale(factor, all)),
    };
  },
};

const square = (x: Fixed): Fixed => multiply(x, x);

/** m(f, x) = 0.1 x ln f + 1, or 1 where nothing is stretched. */
function yarnScale(factor: Fixed, x: number): Fixed {
  return factor <= ONE ? ONE : add(multiply(divide(fixed(x), fixed(10)), ln(factor)), ONE);
}

function yarnMagnitude(scaling: Config, factor: Fixed, all: number): Fixed {
  if (lookUp(scaling, "attention_factor") !== undefined) return fixed(real(scaling, "attention_factor"));
  const mscale = real(scaling, "mscale", { or: 0, min: 0 });
  if (mscale !== 0 && all !== 0) return divide(yarnScale(factor, mscale), yarnScale(factor, all));
  return yarnScale(factor, 1);
}

/** size^-½ times a factor, as the bits of an f32: what q · k is multiplied by. */
export function softmaxScale(size: number, factor: Fixed = ONE): number {
  return toF32Bits(divide(factor, squareRoot(fixed(size))));
}

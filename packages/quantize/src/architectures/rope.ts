/**
 * Rotary positions from a config: theta, partial rotation and the scalings `linear`, `llama3` and `yarn`, from the classic
 * `rope_theta` + `rope_scaling` and from `rope_parameters` of transformers 5. Other scalings are refused by name.
 */
import type { Position } from "@s7l/format";
import { type Config, choice, count, flag, isNull, lookUp, real, refuseConfig, refuseIf, table } from "../config.ts";
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
  /** What a scaling multiplies the softmax scale of latent attention by: m(factor, mscale_all_dim)². */
  readonly scale: Fixed;
}

/** Reads the positions of a config. Frequencies are sealed in turns a position, so nothing is left to compute. */
export function ropeOf(config: Config, rotation: Rotation): LoweredRope {
  const { dims } = rotation;
  refuseIf(
    dims % 2 !== 0 || dims > MAX_DIMS,
    config,
    `rotates ${dims} dims of a head; an even number up to ${MAX_DIMS} is needed`,
  );
  const [chosen, other] = ropeParameters(config).map((parameters) => lowerRope(config, parameters, rotation));
  refuseIf(
    chosen !== undefined && other !== undefined && meaningOf(chosen) !== meaningOf(other),
    config,
    "has a rope_scaling and rope_parameters that mean different positions: versions of transformers disagree on which counts; leave one out",
  );
  return chosen ?? lowerRope(config, undefined, rotation);
}

/**
 * What a config says of its positions, the maps that transformers 5 takes first: `rope_scaling`, unless it is empty, then
 * `rope_parameters`. None where the class's own default counts.
 */
export function ropeParameters(config: Config): readonly Config[] {
  const maps = ["rope_scaling", "rope_parameters"]
    .filter((key) => lookUp(config, key) !== undefined)
    .map((key) => table(config, key));
  return maps.filter(({ place, values }) => !place.endsWith("rope_scaling") || Object.keys(values).length > 0);
}

/** Everything of a lowering that is sealed, as a text to compare. */
function meaningOf({ position, rules, scale }: LoweredRope): string {
  const source = rules[FREQUENCIES]?.({ layer: 0, expert: 0 });
  const turns = source?.kind === "derived" ? source.compute([]).join() : "";
  return `${turns} ${JSON.stringify(position)} ${scale}`;
}

const KINDS = { default: "default", linear: "linear", llama3: "llama3", yarn: "yarn" } as const;

function lowerRope(
  config: Config,
  scaling: Config | undefined,
  { pairs, dims, offset = 0, theta: defaultTheta }: Rotation,
): LoweredRope {
  const theta = thetaOf(config, scaling, defaultTheta);
  const plain = inverseFrequencies(theta, dims);
  refuseIf(
    Object.values(scaling?.values ?? {}).some(isObject),
    scaling ?? config,
    "holds parameters by kinds of layer, which no family here has",
  );
  // As in transformers, parameters without a type scale nothing, even where they hold a factor.
  const kind = scaling ? choice(scaling, ["rope_type", "type"], KINDS, "default") : "default";
  const {
    inverse,
    magnitude = ONE,
    scale = ONE,
  } = scaling && kind !== "default"
    ? scaledRope(kind, { config, scaling, factor: fixed(real(scaling, "factor")), theta, dims, plain })
    : { inverse: plain };
  const from = [
    `rope_theta=${theta}`,
    `rotary_dims=${dims}`,
    ...(scaling ? [`rope_type=${kind}`, ...parametersOf(scaling)] : []),
  ];
  const frequencies: Derived = { kind: "derived", from, inputs: [], compute: () => inverse.map(toTurns) };
  return {
    position: { kind: "rope", pairs, offset, dims, frequencies: FREQUENCIES, magnitude: toF32Bits(magnitude) },
    rules: { [FREQUENCIES]: () => frequencies },
    scale,
  };
}

/** rope_theta, of the parameters before the config's: so transformers 5, where 4 knows none in a rope_scaling. */
function thetaOf(config: Config, scaling: Config | undefined, or: number): number {
  const [inner, outer] = [scaling, config].map((place) =>
    place === undefined || lookUp(place, "rope_theta") === undefined ? undefined : real(place, "rope_theta"),
  );
  refuseIf(
    scaling?.place.endsWith("rope_scaling") === true && inner !== undefined && inner !== (outer ?? or),
    config,
    `has rope_theta = ${inner} in its rope_scaling, and ${outer ?? or} by itself: versions of transformers disagree on which counts; leave the wrong one out`,
  );
  const theta = inner ?? outer ?? or;
  if (theta <= 1) refuseConfig(config, `has rope_theta = ${theta}; it must be above 1`);
  return theta;
}

/** theta^(-2i/dims) for i < dims/2. */
export function inverseFrequencies(theta: number, dims: number): readonly Fixed[] {
  const logarithm = ln(fixed(theta));
  return Array.from({ length: dims / 2 }, (_, i) => exp((-2n * BigInt(i) * logarithm) / BigInt(dims)));
}

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
  readonly factor: Fixed;
  readonly theta: number;
  readonly dims: number;
  readonly plain: readonly Fixed[];
}

interface Scaled {
  readonly inverse: readonly Fixed[];
  /** Multiplies sine and cosine. */
  readonly magnitude?: Fixed;
}

type Kind = Exclude<keyof typeof KINDS, "default">;

function scaledRope(kind: Kind, scaling: Scaling): Scaled & { readonly scale: Fixed } {
  refuseIf(
    real(scaling.scaling, "partial_rotary_factor", { or: 1 }) !== 1,
    scaling.scaling,
    "has a partial_rotary_factor, which this family has not",
  );
  return { ...SCALINGS[kind](scaling), scale: softmaxFactor(scaling.scaling, scaling.factor) };
}

const SCALINGS: Readonly<Record<Kind, (scaling: Scaling) => Scaled>> = {
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
    // None is false in Python.
    const truncate = flag(scaling, "truncate", !isNull(scaling, "truncate"));
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

/** size^-½ times a factor, as the bits of an f32: what q · k is multiplied by. */
export function softmaxScale(size: number, factor: Fixed = ONE): number {
  return toF32Bits(divide(factor, squareRoot(fixed(size))));
}

/**
 * Rotary positions from a config: theta, partial rotation and the scalings `linear`, `llama3` and `yarn`, from the classic
 * `rope_theta` + `rope_scaling` and from `rope_parameters` of transformers 5. Other scalings are refused by name.
 */
import type { Position } from "@s7l/format";
import { type Config, choice, lookUp, real, refuseConfig, refuseIf, table } from "../config.ts";
import { divide, exp, type Fixed, fixed, ln, squareRoot, toF32Bits, toTurns } from "../fixed-point.ts";
import { isObject } from "../json.ts";
import type { Derived, Rules } from "../lowering.ts";
import { scaledRope } from "./rope-scaling.ts";

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
  const [named, older] = scaling ? ["rope_type", "type"].map((key) => lookUp(scaling, key)) : [];
  refuseIf(
    named !== undefined && older !== undefined && named !== older,
    scaling ?? config,
    "has a rope_type and another type, of which versions of transformers prefer one or the other: give one",
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

/** size^-½ times a factor, as the bits of an f32: what q · k is multiplied by. */
export function softmaxScale(size: number, factor: Fixed = ONE): number {
  return toF32Bits(divide(factor, squareRoot(fixed(size))));
}

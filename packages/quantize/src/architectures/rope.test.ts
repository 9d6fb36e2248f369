import { expect, test } from "vitest";
import type { Config } from "../config.ts";
import type { JsonObject } from "../json.ts";
import { ropeOf, softmaxScale } from "./rope.ts";

/** round(2^64 · 10000^(-i/4) / 2π) for i < 4, by Python's decimal with 90 digits. */
const FREQUENCIES_10000_8 = [2935890503282001226n, 293589050328200123n, 29358905032820012n, 2935890503282001n];

const config = (values: JsonObject): Config => ({ place: "config.json", values });
const lower = (values: JsonObject, dims = 8) => ropeOf(config(values), { pairs: "half", dims, theta: 10000 });

function frequencies(values: JsonObject, dims?: number): readonly bigint[] {
  const source = lower(values, dims).rules["rope.frequencies"]?.({ layer: 0, expert: 0 });
  if (source?.kind !== "derived") throw new Error("not derived");
  return [...source.compute([])].map(BigInt);
}

/** Turns a position as radians, in doubles. */
const radians = (turns: readonly bigint[]) => turns.map((turn) => (Number(turn) / 2 ** 64) * 2 * Math.PI);

const realOf = (bits: number): number => new Float32Array(Uint32Array.of(bits).buffer)[0] ?? 0;
const magnitude = (values: JsonObject): number => {
  const { position } = lower(values);
  return position.kind === "rope" ? realOf(position.magnitude) : Number.NaN;
};
const inverse = (theta: number, dims: number) => Array.from({ length: dims / 2 }, (_, i) => theta ** ((-2 * i) / dims));

function expectClose(actual: readonly number[], wanted: readonly number[]): void {
  expect(actual).toHaveLength(wanted.length);
  actual.forEach((value, i) => {
    expect(Math.abs(value / (wanted[i] ?? 0) - 1)).toBeLessThan(1e-12);
  });
}

test("the frequencies are theta^(-2i/d), the same integers on every machine", () => {
  expect(frequencies({})).toEqual(FREQUENCIES_10000_8);
  expectClose(radians(frequencies({ rope_theta: 5e5 }, 64)), inverse(5e5, 64));
});

test("rope_parameters of transformers 5 mean what the classic keys do", () => {
  const yarn = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 32 };
  expect(frequencies({ rope_parameters: { ...yarn, rope_theta: 1e6 } })).toEqual(
    frequencies({ rope_theta: 1e6, rope_scaling: yarn }),
  );
  expect(frequencies({ rope_parameters: { rope_type: "default", rope_theta: 1e6 } })).toEqual(
    frequencies({ rope_theta: 1e6 }),
  );
  const { rope_type, ...legacy } = yarn;
  expect(frequencies({ rope_scaling: { ...legacy, type: rope_type } })).toEqual(frequencies({ rope_scaling: yarn }));
});

test("linear scaling divides every frequency", () => {
  expectClose(
    radians(frequencies({ rope_scaling: { rope_type: "linear", factor: 2.5 } })),
    inverse(10000, 8).map((f) => f / 2.5),
  );
});

test("llama3 scaling slows long waves, keeps short ones and blends between", () => {
  const [factor, low, high, original] = [8, 1, 4, 64];
  const scaled = inverse(10000, 32).map((f) => {
    const wave = (2 * Math.PI) / f;
    if (wave > original / low) return f / factor;
    if (wave < original / high) return f;
    const s = (original / wave - low) / (high - low);
    return ((1 - s) * f) / factor + s * f;
  });
  expect(new Set(scaled.map((f, i) => f / (inverse(10000, 32)[i] ?? 1))).size).toBeGreaterThan(3);
  const rope_scaling = {
    rope_type: "llama3",
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: original,
  };
  expectClose(radians(frequencies({ rope_scaling }, 32)), scaled);
});

/** As transformers writes it, in doubles. */
function yarn(
  dims: number,
  theta: number,
  {
    factor,
    original,
    fast = 32,
    slow = 1,
    truncate = true,
  }: {
    readonly factor: number;
    readonly original: number;
    readonly fast?: number;
    readonly slow?: number;
    readonly truncate?: boolean;
  },
) {
  const correction = (r: number) => (dims * Math.log(original / (r * 2 * Math.PI))) / (2 * Math.log(theta));
  let [low, high] = [correction(fast), correction(slow)];
  if (truncate) [low, high] = [Math.floor(low), Math.ceil(high)];
  low = Math.max(low, 0);
  high = Math.min(high, dims - 1);
  if (low === high) high += 0.001;
  return inverse(theta, dims).map((f, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / (high - low)));
    return (f / factor) * ramp + f * (1 - ramp);
  });
}

test.each([true, false])("yarn ramps between the dims of beta_fast and beta_slow, truncate %s", (truncate) => {
  const rope_scaling = { rope_type: "yarn", factor: 16, original_max_position_embeddings: 4096, truncate };
  const wanted = yarn(64, 150000, { factor: 16, original: 4096, truncate });
  expectClose(radians(frequencies({ rope_theta: 150000, rope_scaling }, 64)), wanted);
});

test("yarn takes max_position_embeddings for an absent original context, and its own betas", () => {
  const rope_scaling = { rope_type: "yarn", factor: 2, beta_fast: 8, beta_slow: 2 };
  const wanted = yarn(32, 10000, { factor: 2, original: 512, fast: 8, slow: 2 });
  expectClose(radians(frequencies({ max_position_embeddings: 512, rope_scaling }, 32)), wanted);
});

const YARN = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 64 };
const LLAMA3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
};
const { original_max_position_embeddings: _yarn, ...bareYarn } = YARN;
const { original_max_position_embeddings: _llama3, ...bareLlama3 } = LLAMA3;

test.each<readonly [string, JsonObject, JsonObject]>([
  [
    "both keys that say the same",
    { rope_theta: 1e6, rope_parameters: { ...YARN, rope_theta: 1e6 }, rope_scaling: YARN },
    { rope_theta: 1e6, rope_scaling: YARN },
  ],
  ["an empty rope_scaling beside parameters", { rope_scaling: {}, rope_parameters: YARN }, { rope_parameters: YARN }],
  ["an empty rope_scaling", { rope_scaling: {} }, {}],
  [
    "a theta said twice alike",
    { rope_theta: 500, rope_scaling: { ...YARN, rope_theta: 500 } },
    { rope_theta: 500, rope_scaling: YARN },
  ],
  [
    "a theta of rope_parameters before the config's",
    { rope_theta: 7, rope_parameters: { ...YARN, rope_theta: 500 } },
    { rope_theta: 500, rope_scaling: YARN },
  ],
  ["a factor without a type, which scales nothing", { rope_scaling: { factor: 4, mscale_all_dim: 1 } }, {}],
  ["a default with a factor", { rope_scaling: { rope_type: "default", factor: 4, mscale_all_dim: 1 } }, {}],
  [
    "yarn's original context beside the parameters",
    { original_max_position_embeddings: 64, max_position_embeddings: 512, rope_scaling: bareYarn },
    { rope_scaling: YARN },
  ],
  [
    "llama3's original context beside the parameters",
    { original_max_position_embeddings: 64, max_position_embeddings: 512, rope_scaling: bareLlama3 },
    { rope_scaling: LLAMA3 },
  ],
  [
    "an original context said twice alike",
    { original_max_position_embeddings: 64, rope_scaling: YARN },
    { rope_scaling: YARN },
  ],
  [
    "llama3 that takes max_position_embeddings",
    { max_position_embeddings: 64, rope_scaling: bareLlama3 },
    { rope_scaling: LLAMA3 },
  ],
  [
    "truncate null, false in Python",
    { rope_scaling: { ...YARN, truncate: null } },
    { rope_scaling: { ...YARN, truncate: false } },
  ],
])("%s means what transformers takes it for", (_, values, same) => {
  expect(frequencies(values, 32)).toEqual(frequencies(same, 32));
  expect(lower(values).position).toEqual(lower(same).position);
  expect(lower(values).scale).toBe(lower(same).scale);
});

test.each<readonly [string, JsonObject]>([
  ["linear", { rope_type: "linear", factor: 4 }],
  ["llama3", { ...LLAMA3, factor: 4 }],
  ["yarn", YARN],
])("%s with mscale_all_dim scales the softmax of latent attention", (_, parameters) => {
  const { scale } = lower({ rope_scaling: { ...parameters, mscale_all_dim: 0.7 } });
  expect(Number(scale) / 2 ** 192).toBeCloseTo(m(4, 0.7) ** 2, 13);
  expect(Number(lower({ rope_scaling: parameters }).scale) / 2 ** 192).toBe(1);
});

const m = (factor: number, x: number) => 0.1 * x * Math.log(factor) + 1;
const scaling = (more: JsonObject) => ({
  rope_scaling: { rope_type: "yarn", factor: 40, original_max_position_embeddings: 64, ...more },
});

test.each<readonly [string, JsonObject, number, number]>([
  ["by default", {}, m(40, 1), 1],
  ["given", { attention_factor: 1.5 }, 1.5, 1],
  ["with mscale alone", { mscale: 0.7 }, m(40, 1), 1],
  ["with both mscales", { mscale: 1, mscale_all_dim: 0.5 }, m(40, 1) / m(40, 0.5), m(40, 0.5) ** 2],
  ["with equal mscales", { mscale: 0.6, mscale_all_dim: 0.6 }, 1, m(40, 0.6) ** 2],
  ["with mscale_all_dim alone", { mscale_all_dim: 1 }, m(40, 1), m(40, 1) ** 2],
])("yarn's factors, %s", (_, more, turned, softmax) => {
  expect(magnitude(scaling(more))).toBe(Math.fround(turned));
  expect(Number(lower(scaling(more)).scale) / 2 ** 192).toBeCloseTo(softmax, 13);
});

test("a factor of at most 1 stretches nothing", () => {
  expect(magnitude({ rope_scaling: { rope_type: "yarn", factor: 1, original_max_position_embeddings: 64 } })).toBe(1);
});

test("the softmax scale is the f32 nearest to size^-½", () => {
  for (const size of [8, 16, 24, 64, 80, 96, 128, 192])
    expect(realOf(softmaxScale(size))).toBe(Math.fround(1 / Math.sqrt(size)));
});

test.each<readonly [string, JsonObject, RegExp]>([
  [
    "dynamic scaling",
    { rope_scaling: { rope_type: "dynamic", factor: 2 } },
    /"dynamic"; supported: default, linear, llama3, yarn/,
  ],
  ["longrope", { rope_scaling: { type: "longrope", factor: 2 } }, /"longrope"/],
  [
    "parameters by kinds of layer",
    { rope_parameters: { full_attention: { rope_type: "default" } } },
    /holds parameters by kinds of layer/,
  ],
  ["a scaling that is no map", { rope_scaling: "yarn" }, /expected a map/],
  ["a scaling without a factor", { rope_scaling: { rope_type: "linear" } }, /lacks the key factor/],
  [
    "llama3 without its parameters",
    { rope_scaling: { rope_type: "llama3", factor: 2 } },
    /lacks the key low_freq_factor/,
  ],
  [
    "llama3 with nothing between",
    {
      rope_scaling: {
        rope_type: "llama3",
        factor: 2,
        low_freq_factor: 4,
        high_freq_factor: 4,
        original_max_position_embeddings: 64,
      },
    },
    /not above its low_freq_factor/,
  ],
  [
    "two scalings that differ",
    {
      rope_theta: 10000,
      rope_parameters: { rope_type: "default", rope_theta: 250000 },
      rope_scaling: { rope_type: "linear", factor: 4 },
    },
    /rope_scaling and rope_parameters that mean different positions.*leave one out/,
  ],
  [
    "two scalings that differ in the softmax alone",
    {
      rope_parameters: { rope_type: "linear", factor: 4, mscale_all_dim: 1 },
      rope_scaling: { rope_type: "linear", factor: 4 },
    },
    /mean different positions/,
  ],
  [
    "two scalings that differ in the magnitude alone",
    { rope_parameters: YARN, rope_scaling: { ...YARN, attention_factor: 1.5 } },
    /mean different positions/,
  ],
  [
    "two thetas",
    { rope_theta: 1e6, rope_scaling: { rope_type: "linear", factor: 4, rope_theta: 500 } },
    /rope_theta = 500 in its rope_scaling, and 1000000 by itself/,
  ],
  [
    "a theta in a rope_scaling alone, which is not the family's",
    { rope_scaling: { rope_type: "linear", factor: 4, rope_theta: 500 } },
    /rope_theta = 500 in its rope_scaling, and 10000 by itself/,
  ],
  [
    "two original contexts",
    { original_max_position_embeddings: 128, rope_scaling: YARN },
    /original_max_position_embeddings = 128, and 64 in its rope parameters/,
  ],
  [
    "two original contexts of llama3",
    { original_max_position_embeddings: 128, rope_scaling: LLAMA3 },
    /original_max_position_embeddings = 128, and 64 in its rope parameters/,
  ],
  [
    "yarn without any context",
    { rope_scaling: { rope_type: "yarn", factor: 4 } },
    /lacks the key max_position_embeddings/,
  ],
  [
    "partial rotation of a scaling",
    { rope_scaling: { rope_type: "linear", factor: 4, partial_rotary_factor: 0.5 } },
    /partial_rotary_factor, which this family has not/,
  ],
  ["two types", { rope_scaling: { rope_type: "yarn", type: "linear", factor: 4 } }, /rope_type and another type/],
  ["a theta of one", { rope_theta: 1 }, /must be above 1/],
  ["an endless theta", { rope_theta: 1e300 }, /rope_theta = 1e\+300/],
  ["a factor of zero", { rope_scaling: { rope_type: "linear", factor: 0 } }, /factor = 0/],
])("%s is refused", (_, values, message) => {
  expect(() => lower(values)).toThrow(
    expect.objectContaining({ name: "QuantizeError", message: expect.stringMatching(message) }),
  );
});

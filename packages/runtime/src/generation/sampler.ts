/**
 * Sampling in integers: the same seed chooses the same ids on every engine and machine.
 *
 * In llama.cpp's order: repeat penalty, top-k, top-p, min-p, temperature. People give decimals; each becomes fixed point (Q16)
 * once, in `createSampler`, and after that there are integers alone. Ties go to the lowest id throughout.
 */
import type { Logits } from "../engine.ts";
import { RuntimeError } from "../errors.ts";
import { exp2Wide, LOG2E_Q30 } from "../reference/elementary.ts";
import { mulShift, pow2, roundShift, shift } from "../reference/integer.ts";
import { createRandom } from "./random.ts";

/** How ids are chosen. The defaults are llama.cpp's, but for the temperature: unasked, we are greedy. */
export interface SamplerOptions {
  /** 0 (default): the likeliest id. Else 0.01 to 100; logits are divided by it. */
  readonly temperature?: number;
  /** Keeps the k likeliest ids; 0 keeps all. Default 40. */
  readonly topK?: number;
  /** Keeps the likeliest ids whose probabilities reach this sum, 0 to 1; 0 keeps one, 1 all. Default 0.95. */
  readonly topP?: number;
  /** Keeps ids at least this probable, relative to the likeliest, 0 to 1; 0 keeps all. Default 0.05. */
  readonly minP?: number;
  /** Divides the positive and multiplies the negative logits of recent ids, 0.01 to 100; 1 (default) changes nothing. */
  readonly repeatPenalty?: number;
  /** How many of the latest ids are recent. Default 64; 0: none. */
  readonly repeatLast?: number;
  /** Seed of the random stream, 0 to 2^64 - 1. Default 0. */
  readonly seed?: number | bigint;
}

/** Numbers that are allowed, both ends included. */
export interface NumberRange {
  readonly min: number;
  readonly max: number;
  /** One more. */
  readonly also?: number;
}

/** What an option may be, and what it is where nobody says. */
interface OptionRange extends NumberRange {
  readonly usual: number;
}

/** The range of each option but the seed: those of a sampler, a receipt and a command line are the same. */
export const SAMPLING: Readonly<Record<Exclude<keyof SamplerOptions, "seed">, OptionRange>> = {
  temperature: { min: 0.01, max: 100, also: 0, usual: 0 },
  topK: { min: 0, max: Number.MAX_SAFE_INTEGER, usual: 40 },
  topP: { min: 0, max: 1, usual: 0.95 },
  minP: { min: 0, max: 1, usual: 0.05 },
  repeatPenalty: { min: 0.01, max: 100, usual: 1 },
  repeatLast: { min: 0, max: Number.MAX_SAFE_INTEGER, usual: 64 },
};

/** Whether a value is a number of a range. */
export const isWithin = (value: unknown, { min, max, also }: NumberRange): value is number =>
  typeof value === "number" && (value === also || (value >= min && value <= max));

/** A range in words, which "are allowed" may follow. */
export const describeRange = ({ min, max, also }: NumberRange): string =>
  `${also === undefined ? "" : `${also}, or `}${min} to ${max}`;

/** Every option, those that were not given too. */
export type Sampling = Required<SamplerOptions>;

/** Adds the defaults. */
export function completeSampling(options: SamplerOptions): Sampling {
  return {
    temperature: options.temperature ?? SAMPLING.temperature.usual,
    topK: options.topK ?? SAMPLING.topK.usual,
    topP: options.topP ?? SAMPLING.topP.usual,
    minP: options.minP ?? SAMPLING.minP.usual,
    repeatPenalty: options.repeatPenalty ?? SAMPLING.repeatPenalty.usual,
    repeatLast: options.repeatLast ?? SAMPLING.repeatLast.usual,
    seed: options.seed ?? 0,
  };
}

/** Chooses ids; its random stream goes on from call to call. */
export interface Sampler {
  /** The id chosen by the last position of `logits`. `recent`: the ids so far, latest last. */
  readonly choose: (logits: Logits, recent: readonly number[]) => number;
}

/** As many are found by insertion. */
const FEW = 256;
/** More than 2^22 candidates of at most 2^30 would sum past 53 bits. */
const MAX_CANDIDATES = 1 << 22;
const ONE_Q16 = 1 << 16;
/** log2(e) with 24 fractional bits: times a distance below 2^26 it stays within 51 bits. */
const LOG2E_Q24 = roundShift(LOG2E_Q30, 6);
/** Distances from the best logit, Q20: 2^30 is 1,024 nats, 2^25 is 32, beyond which a probability is below 2^-30. */
const FAR = pow2(30);
const GONE = pow2(25);

/** A sampler. Throws RuntimeError `option` for an option outside its range. */
export function createSampler(options: SamplerOptions = {}): Sampler {
  const all = completeSampling(options);
  const temperature = within("temperature", all.temperature);
  const topK = whole("topK", all.topK);
  const topP = fixed(within("topP", all.topP));
  const minP = fixed(within("minP", all.minP));
  const penalty = within("repeatPenalty", all.repeatPenalty);
  const repeatLast = whole("repeatLast", all.repeatLast);
  const random = createRandom(seedOf(all.seed));
  const penalise = penalty === 1 ? undefined : { up: fixed(penalty), down: fixed(1 / penalty) };
  const inverse = temperature === 0 ? 0 : fixed(1 / temperature);

  return {
    choose: (logits, recent) => {
      const { values, exponent } = lastRow(logits, penalise, repeatLast === 0 ? [] : recent.slice(-repeatLast));
      if (inverse === 0) return likeliest(values);
      const count = Math.min(topK === 0 ? values.length : topK, MAX_CANDIDATES);
      // What has no probability at all is left by either cut: a vocabulary need not be sorted for it.
      const cuts = topP < ONE_Q16 || minP > 0;
      const ids =
        count > FEW && cuts ? sorted(values, possible(values, exponent)).slice(0, count) : best(values, count);
      const top = values[ids[0] ?? 0] ?? 0;
      const distances = ids.map((id) => distance(top - (values[id] ?? 0), exponent));
      const kept = keepMinP(keepTopP(distances.map(probability), topP), minP);
      const weights = distances.slice(0, kept.length).map((d) => probability(mulShift(d, inverse, 16)));
      return ids[draw(weights, random.below)] ?? 0;
    },
  };
}

/** The mantissas of the last position, with the penalty applied: a copy only where there is one. */
function lastRow(
  { vocab, mantissas, exponents }: Logits,
  penalise: { readonly up: number; readonly down: number } | undefined,
  recent: readonly number[],
): { readonly values: ArrayLike<number>; readonly exponent: number } {
  const row = exponents.length - 1;
  const values = mantissas.subarray(row * vocab, (row + 1) * vocab);
  const exponent = exponents[row] ?? 0;
  if (!penalise || recent.length === 0) return { values, exponent };
  // A penalty can pass 32 bits: 2^31 · 100 does.
  const changed = Float64Array.from(values);
  for (const id of new Set(recent)) {
    const value = values[id] ?? 0;
    changed[id] = mulShift(value, value > 0 ? penalise.down : penalise.up, 16);
  }
  return { values: changed, exponent };
}

/** The first id of the largest value. */
export function likeliest(values: ArrayLike<number>): number {
  let found = 0;
  for (let id = 1; id < values.length; id++) if ((values[id] ?? 0) > (values[found] ?? 0)) found = id;
  return found;
}

/** The ids whose probability is not zero in Q30. */
function possible(values: ArrayLike<number>, exponent: number): readonly number[] {
  const top = values[likeliest(values)] ?? 0;
  const ids: number[] = [];
  for (let id = 0; id < values.length; id++)
    if (probability(distance(top - (values[id] ?? 0), exponent)) > 0) ids.push(id);
  return ids;
}

/** Larger values first, ties by the lowest id. */
const orderOf =
  (values: ArrayLike<number>) =>
  (a: number, b: number): number =>
    (values[b] ?? 0) - (values[a] ?? 0) || a - b;

const sorted = (values: ArrayLike<number>, ids: readonly number[]): readonly number[] => [...ids].sort(orderOf(values));

/** The ids of the `count` largest values, largest first, ties by the lowest id. */
export function best(values: ArrayLike<number>, count: number): readonly number[] {
  const order = orderOf(values);
  if (count > FEW) return sorted(values, [...Array(values.length).keys()]).slice(0, count);
  // Few of many: insertion into a short list beats sorting the vocabulary.
  const ids: number[] = [];
  for (let id = 0; id < values.length; id++) {
    const last = ids[count - 1];
    if (last !== undefined && (values[id] ?? 0) <= (values[last] ?? 0)) continue; // a later id loses a tie
    let at = ids.length;
    while (at > 0 && order(id, ids[at - 1] ?? 0) < 0) at--;
    ids.splice(at, 0, id);
    if (ids.length > count) ids.pop();
  }
  return ids;
}

/** A difference of mantissas as a distance in nats, Q20. */
function distance(difference: number, exponent: number): number {
  const k = exponent + 20;
  if (k >= 30 && difference > 0) return FAR;
  return Math.min(FAR, shift(difference, k));
}

/** e^-distance, Q30; the best has 2^30. */
const probability = (d: number): number => exp2Wide(-mulShift(Math.min(d, GONE), LOG2E_Q24, 24));

/** The shortest run of the likeliest whose sum reaches p of the whole; at least one. */
function keepTopP(probabilities: readonly number[], p: number): readonly number[] {
  if (p === ONE_Q16) return probabilities;
  const total = probabilities.reduce((sum, q) => sum + q, 0);
  const wanted = Number((BigInt(total) * BigInt(p) + 0xffffn) >> 16n);
  let sum = 0;
  const last = probabilities.findIndex((q) => {
    sum += q;
    return sum >= wanted;
  });
  return probabilities.slice(0, last + 1);
}

/** Those at least p as probable as the best, which is 2^30; the best itself always. */
function keepMinP(probabilities: readonly number[], p: number): readonly number[] {
  return probabilities.filter((q, i) => i === 0 || q >= p * pow2(14));
}

/** Index i with probability weights[i] / sum; `below(n)` gives an integer in [0, n). */
export function draw(weights: readonly number[], below: (limit: number) => number): number {
  const at = below(weights.reduce((sum, w) => sum + w, 0));
  let sum = 0;
  return weights.findIndex((w) => {
    sum += w;
    return sum > at;
  });
}

const fixed = (decimal: number): number => Math.round(decimal * ONE_Q16);

function within(name: keyof typeof SAMPLING, value: number): number {
  if (isWithin(value, SAMPLING[name])) return value;
  throw new RuntimeError("option", `${name} is ${value}; ${describeRange(SAMPLING[name])} are allowed`);
}

function whole(name: keyof typeof SAMPLING, value: number): number {
  if (Number.isSafeInteger(value) && isWithin(value, SAMPLING[name])) return value;
  throw new RuntimeError("option", `${name} is ${value}; it is a whole number of 0 or more`);
}

function seedOf(seed: number | bigint): bigint {
  if (typeof seed === "bigint" ? seed >= 0n && seed < 1n << 64n : Number.isSafeInteger(seed) && seed >= 0)
    return BigInt(seed);
  throw new RuntimeError("option", `seed is ${seed}; 0 to 2^64 - 1 are allowed (above 2^53 as a bigint)`);
}

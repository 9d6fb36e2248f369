import { randomWords } from "@s7l/fixtures";
import { describe, expect, test } from "vitest";
import type { Logits } from "../engine.ts";
import { best, createSampler, draw, likeliest, type SamplerOptions } from "./sampler.ts";

/** Everything off: plain sampling from the softmax. */
const PLAIN: SamplerOptions = { temperature: 1, topK: 0, topP: 1, minP: 0 };

function row(mantissas: readonly number[], exponent: number): Logits {
  return { vocab: mantissas.length, mantissas: Int32Array.from(mantissas), exponents: Int32Array.of(exponent) };
}

/** Logits given in nats, with 20 fractional bits. */
const nats = (values: readonly number[]): Logits =>
  row(
    values.map((value) => Math.round(value * 2 ** 20)),
    -20,
  );

function draws(logits: Logits, options: SamplerOptions, count: number, recent: readonly number[] = []): number[] {
  const sampler = createSampler(options);
  return Array.from({ length: count }, () => sampler.choose(logits, recent));
}

/** Share of each id among the draws. */
function shares(logits: Logits, options: SamplerOptions, count = 20_000): number[] {
  const counts = new Array<number>(logits.vocab).fill(0);
  for (const id of draws(logits, options, count)) counts[id] = (counts[id] ?? 0) + 1;
  return counts.map((n) => n / count);
}

/** The same in real numbers, straight from llama.cpp's description: top-k, top-p, min-p, then temperature. */
function expectedShares(values: readonly number[], options: SamplerOptions): number[] {
  const { temperature = 1, topK = 40, topP = 0.95, minP = 0.05 } = options;
  const softmax = (xs: readonly number[]): number[] => {
    const powers = xs.map((x) => Math.exp(x - Math.max(...xs)));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / sum);
  };
  let kept = values.map((_, id) => id).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b);
  if (topK > 0) kept = kept.slice(0, topK);
  const valuesOf = (ids: readonly number[]) => ids.map((id) => values[id] ?? 0);
  let sum = 0;
  const probabilities = softmax(valuesOf(kept));
  kept = kept.filter((_, i) => {
    const before = sum;
    sum += probabilities[i] ?? 0;
    return before < topP;
  });
  const best = probabilities[0] ?? 0;
  kept = kept.filter((_, i) => (probabilities[i] ?? 0) >= minP * best);
  const shares = new Array<number>(values.length).fill(0);
  softmax(valuesOf(kept).map((x) => x / temperature)).forEach((p, i) => {
    shares[kept[i] ?? 0] = p;
  });
  return shares;
}

describe("at temperature 0", () => {
  test.each([
    { mantissas: [1, 5, 3], id: 1 },
    { mantissas: [-9, -5, -7], id: 1 },
    { mantissas: [2, 7, 7, 7], id: 1 },
    { mantissas: [7, 7], id: 0 },
    { mantissas: [-(2 ** 31), 2 ** 31 - 1], id: 1 },
  ])("the likeliest of $mantissas is $id, ties going to the lowest", ({ mantissas, id }) => {
    expect(createSampler().choose(row(mantissas, -4), [])).toBe(id);
    expect(likeliest(mantissas)).toBe(id);
  });

  test("the last of several positions is looked at", () => {
    const logits = { vocab: 2, mantissas: Int32Array.of(9, 1, 1, 9), exponents: Int32Array.of(0, 0) };
    expect(createSampler().choose(logits, [])).toBe(1);
    expect(createSampler(PLAIN).choose({ ...logits, exponents: Int32Array.of(0, 20) }, [])).toBe(1);
  });
});

describe("the shares of ids follow the softmax", () => {
  const values = [2, 1.5, 1, 0.5, 0, -0.5, -3, -8];
  test.each<SamplerOptions>([
    PLAIN,
    { ...PLAIN, temperature: 0.5 },
    { ...PLAIN, temperature: 3 },
    { ...PLAIN, temperature: 100 },
    { ...PLAIN, topK: 3 },
    { ...PLAIN, topP: 0.7 },
    { ...PLAIN, minP: 0.3 },
    { ...PLAIN, topK: 5, topP: 0.8, minP: 0.2, temperature: 0.7 },
    { temperature: 0.8 },
    { temperature: 2, topP: 0.9 }, // top-p is taken before the temperature flattens
  ])("with %o", (options) => {
    const wanted = expectedShares(values, options);
    const found = shares(nats(values), { ...options, seed: 11 });
    for (const [id, share] of wanted.entries()) {
      // Five standard deviations of a share of 20,000 draws; an id that was dropped never comes.
      expect(Math.abs((found[id] ?? 0) - share)).toBeLessThanOrEqual(5 * Math.sqrt((share * (1 - share)) / 20_000));
    }
  });
});

test.each([
  { topP: 0, ids: [0] },
  { topP: 0.25, ids: [0] },
  { topP: 0.5, ids: [0, 1] },
  { topP: 0.75, ids: [0, 1, 2] },
  { topP: 0.76, ids: [0, 1, 2, 3] },
])("top-p $topP of four equal ids keeps $ids: a sum that just reaches it is enough", ({ topP, ids }) => {
  const drawn = draws(nats([1, 1, 1, 1]), { ...PLAIN, topP }, 200);
  expect([...new Set(drawn)].sort()).toEqual(ids);
});

test.each([1, 2, 40, 255, 256, 257, 999, 1000, 5000])("the best %i ids are in order, ties by the lowest", (count) => {
  const next = randomWords(5);
  const values = Array.from({ length: 1000 }, () => (next() % 64) - 32);
  const order = values.map((value, id) => ({ value, id })).sort((a, b) => b.value - a.value || a.id - b.id);
  expect(best(values, count)).toEqual(order.slice(0, count).map(({ id }) => id));
});

test.each<[string, SamplerOptions]>([
  ["top-p", { topP: 0.9, minP: 0 }],
  ["min-p", { topP: 1, minP: 0.001 }],
  ["both, and a top-k", { topK: 300 }],
])("a vocabulary that %s cuts gives the ids that it gives beside ids that nothing chooses", (_, options) => {
  const words = randomWords(5);
  // Peaks among a plain that is far below, in any order; then the same without the plain.
  const values = Array.from({ length: 1000 }, (_, id) =>
    id % 3 === 0 ? (words() % 4000) / 1000 : -40 - (words() % 10),
  );
  const peaks = values.filter((_, id) => id % 3 === 0);
  const sampling = { temperature: 1.5, topK: 0, seed: 3, ...options };
  expect(draws(nats(values), sampling, 200)).toEqual(draws(nats(peaks), sampling, 200).map((id) => 3 * id));
});

test("the same seed gives the same ids, another seed others", () => {
  const logits = nats([1, 1, 1, 1, 1, 1, 1, 1]);
  const first = draws(logits, { ...PLAIN, seed: 1 }, 40);
  expect(draws(logits, { ...PLAIN, seed: 1n }, 40)).toEqual(first);
  expect(draws(logits, { ...PLAIN, seed: 2 }, 40)).not.toEqual(first);
  expect(draws(logits, { ...PLAIN, seed: 2n ** 64n - 1n }, 40)).not.toEqual(first);
});

test("a draw is the PCG stream over the integer weights", () => {
  // Each draw takes two words of the stream; the high ones of seed 42 are known. As shares of 2^32: 0.630, 0.727, 0.749.
  const high = [0xa15c02b7, 0xba1d3330, 0xbfa4784b].map((word) => word / 2 ** 32);
  // The first of two ids has 3/4, or 0.622, or 0.735 of the whole.
  for (const [values, share] of [
    [[Math.log(3), 0], 0.75],
    [[0.5, 0], 1 / (1 + Math.exp(-0.5))],
    [[1.02, 0], 1 / (1 + Math.exp(-1.02))],
  ] as const) {
    expect(draws(nats(values), { ...PLAIN, seed: 42 }, 3)).toEqual(high.map((at) => (at < share ? 0 : 1)));
  }
});

test("each unit of weight is one draw's", () => {
  const drawn = [0, 1, 2, 3, 4, 5].map((at) => draw([1, 0, 3, 2], () => at));
  expect(drawn).toEqual([0, 2, 2, 2, 3, 3]);
  draw([1, 0, 3, 2], (limit) => {
    expect(limit).toBe(6);
    return 0;
  });
});

test("only values count, not how mantissa and exponent share them", () => {
  const mantissas = [900, 500, 100, -700];
  const one = draws(row(mantissas, -8), { ...PLAIN, seed: 3 }, 100);
  const two = draws(
    row(
      mantissas.map((m) => m * 1024),
      -18,
    ),
    { ...PLAIN, seed: 3 },
    100,
  );
  expect(two).toEqual(one);
});

test.each([
  { what: "huge logits", logits: row([2 ** 31 - 1, -(2 ** 31), 0], 40), allowed: [0] },
  { what: "equal huge logits", logits: row([2 ** 30, 2 ** 30, 0], 300), allowed: [0, 1] },
  { what: "vanishing logits", logits: row([2 ** 31 - 1, -(2 ** 31), 0], -300), allowed: [0, 1, 2] },
  { what: "all zero", logits: row([0, 0, 0], 0), allowed: [0, 1, 2] },
  { what: "one id", logits: row([5], 0), allowed: [0] },
])("$what are sampled without overflow", ({ logits, allowed }) => {
  expect(new Set(draws(logits, PLAIN, 200))).toEqual(new Set(allowed));
  expect(new Set(draws(logits, { ...PLAIN, temperature: 0.01 }, 200))).toEqual(new Set(allowed));
});

describe("the repeat penalty", () => {
  test.each([
    { values: [4, 3], recent: [0], penalty: 2, id: 1 }, // 4 / 2 < 3
    { values: [4, 3], recent: [0], penalty: 1.25, id: 0 }, // 4 / 1.25 = 3.2
    { values: [-1, -1.5], recent: [0], penalty: 2, id: 1 }, // -1 · 2 < -1.5
    { values: [4, 3], recent: [0, 0, 0], penalty: 1.25, id: 0 }, // once, however often it came
    { values: [4, 3], recent: [], penalty: 2, id: 0 },
    { values: [3, 4], recent: [0], penalty: 0.5, id: 0 }, // below 1 it rewards
  ])("$penalty on $recent of $values chooses $id", ({ values, recent, penalty, id }) => {
    expect(createSampler({ repeatPenalty: penalty }).choose(nats(values), recent)).toBe(id);
  });

  test("reaches back as far as it is told", () => {
    const logits = nats([4, 3, 0]);
    expect(createSampler({ repeatPenalty: 2, repeatLast: 2 }).choose(logits, [0, 2, 2])).toBe(0);
    expect(createSampler({ repeatPenalty: 2, repeatLast: 3 }).choose(logits, [0, 2, 2])).toBe(1);
    expect(createSampler({ repeatPenalty: 2, repeatLast: 0 }).choose(logits, [0])).toBe(0);
  });

  test("comes before the filters", () => {
    const options = { ...PLAIN, topK: 1, repeatPenalty: 2 };
    expect(new Set(draws(nats([4, 3]), options, 50, [0]))).toEqual(new Set([1]));
  });

  test("does not change the logits themselves, and does not overflow", () => {
    const logits = row([2 ** 31 - 1, -(2 ** 31)], 0);
    expect(createSampler({ repeatPenalty: 100 }).choose(logits, [0, 1])).toBe(0);
    expect(createSampler({ repeatPenalty: 0.01 }).choose(logits, [0, 1])).toBe(0);
    expect([...logits.mantissas]).toEqual([2 ** 31 - 1, -(2 ** 31)]);
  });
});

test.each<SamplerOptions>([
  { temperature: -1 },
  { temperature: 0.001 },
  { temperature: 101 },
  { temperature: Number.NaN },
  { topK: -1 },
  { topK: 1.5 },
  { topP: 1.01 },
  { topP: -0.1 },
  { minP: 2 },
  { repeatPenalty: 0 },
  { repeatLast: -1 },
  { seed: -1 },
  { seed: 0.5 },
  { seed: 2 ** 53 },
  { seed: 2n ** 64n },
  { seed: -1n },
])("refuses %o", (options) => {
  expect(() => createSampler(options)).toThrow(expect.objectContaining({ name: "RuntimeError", code: "option" }));
});

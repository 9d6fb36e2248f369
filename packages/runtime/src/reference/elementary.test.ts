import { describe, expect, test } from "vitest";
import { fitExp2, fitNormal, geluTanh, log2e, normal, taylor } from "../../scripts/fit-elementary.ts";
import {
  COSINE_Q25,
  EXP2_Q15,
  EXP2_Q30,
  exp2,
  exp2Wide,
  GELU_TANH_Q24,
  LOG2E_Q30,
  NORMAL_Q24,
  reciprocalSqrt,
  SINE_Q25,
  sigmoid,
  sigmoidWide,
  sineCosine,
} from "./elementary.ts";
import { mulShift } from "./integer.ts";

/** The last digit of a least-squares fit may differ between engines' own arithmetic. */
function expectWithinOne(actual: readonly number[], fitted: readonly number[]): void {
  expect(actual.length).toBe(fitted.length);
  for (const [i, c] of fitted.entries()) expect(Math.abs((actual[i] ?? 0) - c)).toBeLessThanOrEqual(1);
}

describe("the coefficients", () => {
  test("are those that the checked-in script fits", () => {
    expectWithinOne(EXP2_Q15, fitExp2(4, 15));
    expectWithinOne(EXP2_Q30, fitExp2(6, 30));
    expectWithinOne(NORMAL_Q24, fitNormal(4, 24));
    expect(SINE_Q25).toEqual(taylor(1, 6, 25));
    expect(COSINE_Q25).toEqual(taylor(0, 7, 25));
    expect(GELU_TANH_Q24).toEqual(geluTanh(24));
    expect(LOG2E_Q30).toBe(log2e(30));
  });
});

/** Integers from -limit to 0 with an uneven step, both ends included. */
const descending = (limit: number, count: number): number[] =>
  Array.from({ length: count + 1 }, (_, i) => -Math.round((limit * i) / count));

describe("exp2", () => {
  test("is within one part in 2^15 of 2^d, or half a unit of Q24", () => {
    for (const d of descending(26 * 65536, 40_000)) {
      const exact = 2 ** (d / 65536 + 24);
      expect(Math.abs(exp2(d) - exact)).toBeLessThan(exact * 2 ** -14.4 + 1);
    }
    expect(exp2(0)).toBe(2 ** 24);
    expect(exp2(-25 * 65536)).toBe(0);
  });

  test("never decreases", () => {
    let last = Number.POSITIVE_INFINITY;
    for (let d = 0; d > -3 * 65536; d--) {
      const value = exp2(d);
      if (value > last) expect.fail(`2^${d} is above its successor`);
      last = value;
    }
  });

  test("has a wide form within one part in 2^27", () => {
    for (const d of descending(32 * 2 ** 20, 40_000)) {
      const exact = 2 ** (d / 2 ** 20 + 30);
      expect(Math.abs(exp2Wide(d) - exact)).toBeLessThan(exact * 2 ** -27 + 1);
    }
    expect(exp2Wide(0)).toBe(2 ** 30);
  });
});

describe("sigmoid", () => {
  test("is within 2^-14 of the real one, and 1 - sigmoid(-x)", () => {
    for (let x = -20 * 65536; x <= 20 * 65536; x += 997) {
      expect(Math.abs(sigmoid(x) / 2 ** 15 - 1 / (1 + Math.exp(-x / 65536)))).toBeLessThan(2 ** -14);
      if (x !== 0) expect(sigmoid(x) + sigmoid(-x)).toBe(2 ** 15);
    }
    expect(sigmoid(2 ** 30)).toBe(2 ** 15);
    expect(sigmoid(-(2 ** 30))).toBe(0);
  });

  test("has a wide form within 2^-22, a quarter of its argument's last place", () => {
    for (let x = -25 * 2 ** 20; x <= 25 * 2 ** 20; x += 15_013) {
      expect(Math.abs(sigmoidWide(x) / 2 ** 30 - 1 / (1 + Math.exp(-x / 2 ** 20)))).toBeLessThan(2 ** -22);
    }
  });

  test("gives the normal distribution within 2^-14 through its polynomial", () => {
    for (let x = -5; x <= 5; x += 0.001) {
      const q16 = Math.round(x * 65536);
      const x2 = mulShift(q16, q16, 16);
      const p = NORMAL_Q24.reduceRight((sum, c) => c + mulShift(sum, x2, 16), 0);
      expect(Math.abs(sigmoid(mulShift(p, q16, 24)) / 2 ** 15 - normal(q16 / 65536))).toBeLessThan(2 ** -14);
    }
  });
});

describe("sineCosine", () => {
  test("is within 2^-22 over the whole turn", () => {
    for (let i = 0; i < 20_000; i++) {
      const turns = (BigInt(i) << 64n) / 20_000n;
      const { sine, cosine } = sineCosine(turns);
      const angle = (2 * Math.PI * i) / 20_000;
      expect(Math.abs(sine / 2 ** 24 - Math.sin(angle))).toBeLessThan(2 ** -22);
      expect(Math.abs(cosine / 2 ** 24 - Math.cos(angle))).toBeLessThan(2 ** -22);
    }
  });

  test("is exact at quarter turns", () => {
    expect([0n, 1n, 2n, 3n].map((q) => sineCosine(q << 62n))).toEqual([
      { sine: 0, cosine: 2 ** 24 },
      { sine: 2 ** 24, cosine: -0 },
      { sine: -0, cosine: -(2 ** 24) },
      { sine: -(2 ** 24), cosine: 0 },
    ]);
  });
});

describe("reciprocalSqrt", () => {
  test.each([1, 2, 3, 5, 127, 65_537, 2 ** 31, 2 ** 50 + 12_345, 2 ** 53 - 1])(
    "of %d at any exponent has 25 good bits",
    (significand) => {
      for (const exponent of [-80, -41, -1, 0, 1, 7, 60]) {
        const r = reciprocalSqrt({ significand, exponent });
        const exact = 1 / Math.sqrt(significand * 2 ** exponent);
        expect(Math.abs((r.significand * 2 ** r.exponent) / exact - 1)).toBeLessThan(2 ** -25);
        expect(r.significand).toBeLessThanOrEqual(2 ** 26);
      }
    },
  );
});

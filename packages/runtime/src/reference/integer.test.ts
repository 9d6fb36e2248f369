import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bitLength, integerSqrt, mulShift, roundDiv, roundShift, shift, shiftSaturating } from "./integer.ts";

/** floor(n / d) of BigInts, d > 0. */
const floorDiv = (n: bigint, d: bigint): bigint => (n >= 0n ? n / d : -((-n + d - 1n) / d));
const mantissa = fc.integer({ min: -(2 ** 30), max: 2 ** 30 });
const safe = fc.maxSafeInteger();

describe("integer arithmetic equals its definition on big integers", () => {
  test("bitLength", () => {
    fc.assert(fc.property(safe, (x) => bitLength(x) === (x === 0 ? 0 : BigInt(Math.abs(x)).toString(2).length)));
  });

  test("roundShift rounds to nearest, halves towards +infinity", () => {
    expect([-3, -2, -1, 0, 1, 2, 3].map((x) => roundShift(x, 1))).toEqual([-1, -1, 0, 0, 1, 1, 2]);
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 51), max: 2 ** 51 }), fc.integer({ min: 1, max: 52 }), (x, s) => {
        const exact = Number(floorDiv(BigInt(x) + (1n << BigInt(s - 1)), 1n << BigInt(s)));
        expect(roundShift(x, s) + 0).toBe(exact);
      }),
    );
  });

  test("mulShift of products up to 62 bits", () => {
    const left = fc.integer({ min: -(2 ** 31), max: 2 ** 31 });
    fc.assert(
      fc.property(left, fc.integer({ min: -(2 ** 30), max: 2 ** 30 }), fc.integer({ min: 0, max: 62 }), (a, b, s) => {
        const product = BigInt(a) * BigInt(b);
        const exact = s === 0 ? product : floorDiv(product + (1n << BigInt(s - 1)), 1n << BigInt(s));
        expect(mulShift(a, b, s) + 0).toBe(Number(exact));
      }),
    );
  });

  test("roundDiv", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 50), max: 2 ** 50 }), fc.integer({ min: 1, max: 2 ** 31 }), (a, b) => {
        expect(roundDiv(a, b)).toBe(Number(floorDiv(2n * BigInt(a) + BigInt(b), 2n * BigInt(b))));
      }),
    );
  });

  test("shift is exact to the left, rounds to the right and gives nothing from 31 places on", () => {
    fc.assert(
      fc.property(mantissa, fc.integer({ min: -60, max: 20 }), (x, k) => {
        const exact = k >= 0 ? x * 2 ** k : k <= -31 ? 0 : roundShift(x, -k);
        expect(shift(x, k) + 0).toBe(exact + 0);
      }),
    );
  });

  test("shiftSaturating stays within ±2^30 and is shift below", () => {
    fc.assert(
      fc.property(mantissa, fc.integer({ min: -60, max: 60 }), (x, k) => {
        const y = shiftSaturating(x, k);
        expect(Math.abs(y)).toBeLessThanOrEqual(2 ** 30);
        if (Math.abs(x) * 2 ** k < 2 ** 29) expect(y).toBe(shift(x, k));
        else expect(Math.sign(y)).toBe(Math.sign(x));
      }),
    );
  });

  test("integerSqrt is the floor of the root", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 1n << 62n }), (x) => {
        const root = integerSqrt(x);
        expect(root * root <= x && (root + 1n) * (root + 1n) > x).toBe(true);
      }),
    );
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { add, type Block, blockFromF32, concat, multiply, normalise, quantise, scale } from "./block.ts";

const block = (length: number) =>
  fc.record({
    mantissas: fc
      .array(fc.integer({ min: -(2 ** 30), max: 2 ** 30 }), { minLength: length, maxLength: length })
      .map((m) => Int32Array.from(m)),
    exponent: fc.integer({ min: -60, max: 40 }),
  });

const real = ({ mantissas, exponent }: Block): number[] => Array.from(mantissas, (m) => m * 2 ** exponent);
const size = (values: readonly number[]): number => values.reduce((max, v) => Math.max(max, Math.abs(v)), 0);

/** Every value within `error` of the largest expected one. */
function expectClose(actual: Block, expected: readonly number[], error: number): void {
  const bound = size(expected) * error;
  for (const [i, v] of real(actual).entries()) expect(Math.abs(v - (expected[i] ?? 0))).toBeLessThanOrEqual(bound);
}

describe("blocks", () => {
  test("add within 2^-27 of the larger block and never pass 30 bits", () => {
    fc.assert(
      fc.property(block(5), block(5), (a, b) => {
        const sum = add(a, b);
        const [x, y] = [real(a), real(b)];
        const bound = Math.max(size(x), size(y)) * 2 ** -27;
        for (const [i, v] of real(sum).entries())
          expect(Math.abs(v - ((x[i] ?? 0) + (y[i] ?? 0)))).toBeLessThanOrEqual(bound);
        expect(size([...sum.mantissas])).toBeLessThanOrEqual(2 ** 30);
      }),
    );
  });

  test("add in either order", () => {
    fc.assert(
      fc.property(block(4), block(4), (a, b) => {
        expect(add(a, b)).toEqual(add(b, a));
      }),
    );
  });

  test("do not depend on where their exponent stood", () => {
    const a: Block = { mantissas: Int32Array.of(3, -5, 7), exponent: 4 };
    const same: Block = { mantissas: Int32Array.of(48, -80, 112), exponent: 0 };
    const b: Block = { mantissas: Int32Array.of(1000, 2, -3), exponent: -3 };
    expect(add(a, b)).toEqual(add(same, b));
    expect(concat([a, b])).toEqual(concat([same, b]));
    expect(multiply(a, b)).toEqual(multiply(same, b));
  });

  test("of zeros add and join to zero with exponent 0", () => {
    const zero: Block = { mantissas: new Int32Array(2), exponent: 17 };
    expect(add(zero, zero)).toEqual({ mantissas: new Int32Array(2), exponent: 0 });
    expect(concat([zero, zero])).toEqual({ mantissas: new Int32Array(4), exponent: 0 });
    const one: Block = { mantissas: Int32Array.of(1, 2), exponent: 3 };
    expect(real(add(zero, one))).toEqual([8, 16]);
  });

  test("multiply within 2^-24", () => {
    fc.assert(
      fc.property(block(4), block(4), (a, b) => {
        const [x, y] = [real(a), real(b)];
        const bound = size(x) * size(y) * 2 ** -24;
        for (const [i, v] of real(multiply(a, b)).entries())
          expect(Math.abs(v - (x[i] ?? 0) * (y[i] ?? 0))).toBeLessThanOrEqual(bound);
      }),
    );
  });

  test("scale by a factor in Q30", () => {
    const x: Block = { mantissas: Int32Array.of(2 ** 30, -(2 ** 30), 12), exponent: -30 };
    expect(scale(x, 2 ** 29, 1)).toEqual({ mantissas: Int32Array.of(2 ** 29, -(2 ** 29), 6), exponent: -29 });
  });

  test("normalise to the bits asked for, or one more by rounding", () => {
    fc.assert(
      fc.property(block(3), fc.integer({ min: 12, max: 29 }), (a, bits) => {
        const n = normalise(a, bits);
        const largest = size([...n.mantissas]);
        if (largest > 0) expect(largest >= 2 ** (bits - 1) && largest <= 2 ** bits).toBe(true);
        expectClose(n, real(a), 2 ** (1 - bits));
      }),
    );
  });

  test("quantise to 14 bits within half a step, with the sum of sizes", () => {
    fc.assert(
      fc.property(block(6), (a) => {
        const { q, exponent, l1 } = quantise(a);
        for (const v of q) expect(v >= -8192 && v <= 8191).toBe(true);
        expect(l1).toBe(q.reduce((sum, v) => sum + Math.abs(v), 0));
        expectClose({ mantissas: Int32Array.from(q), exponent }, real(a), 2 ** -12);
      }),
    );
    expect(quantise({ mantissas: Int32Array.of(16383, -16383), exponent: 0 }).q).toEqual(Int16Array.of(8191, -8191));
  });

  test("read f32 vectors exactly where their exponents allow", () => {
    const values = Float32Array.of(1.5, -0.1, 0, 3.25e-5, 1e-45);
    const read = blockFromF32(new Uint32Array(values.buffer));
    expectClose(read, [...values], 2 ** -24);
    expect(blockFromF32(Uint32Array.of(0, 0x80000000))).toEqual({ mantissas: new Int32Array(2), exponent: 0 });
  });
});

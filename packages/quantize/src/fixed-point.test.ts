import { expect, test } from "vitest";
import {
  divide,
  exp,
  f32Bits,
  fixed,
  ln,
  multiply,
  PI,
  power,
  sigmoid,
  squareRoot,
  toF32Bits,
  toTurns,
} from "./fixed-point.ts";

/** The first 60 decimals of a number in units of 2^-192 (57 decimals). */
function decimals(x: bigint, count: number): string {
  const scaled = (x * 10n ** BigInt(count)) >> 192n;
  return scaled.toString();
}

test("π, e and ln 2 have the digits of the tables", () => {
  expect(decimals(PI, 50)).toBe("314159265358979323846264338327950288419716939937510");
  expect(decimals(exp(fixed(1)), 50)).toBe("271828182845904523536028747135266249775724709369995");
  expect(decimals(ln(fixed(2)), 50)).toBe("69314718055994530941723212145817656807550013436025");
  expect(decimals(squareRoot(fixed(2)), 50)).toBe("141421356237309504880168872420969807856967187537694");
});

test.each([1e-6, 0.1, 0.5, 1, 1.5, 2, 10, 12345.678, 1e6, 5e8])(
  "functions of %d agree with Math within its rounding",
  (x) => {
    const close = (a: bigint, b: number) => expect(Math.abs(Number(a) / 2 ** 192 / b - 1)).toBeLessThan(1e-13);
    if (x !== 1) close(ln(fixed(x)), Math.log(x));
    close(squareRoot(fixed(x)), Math.sqrt(x));
    close(power(fixed(x), fixed(-0.375)), x ** -0.375);
    if (x < 100) {
      close(exp(fixed(x)), Math.exp(x));
      close(exp(fixed(-x)), Math.exp(-x));
      close(sigmoid(fixed(-x)), 1 / (1 + Math.exp(x)));
    }
    expect(multiply(fixed(x), divide(fixed(1), fixed(x))) - fixed(1)).toBeLessThan(1n);
  },
);

test("a double becomes exact and comes back", () => {
  for (const x of [0, 1, -1, 0.1, 2 ** -60, 3.5e9, 2 ** -140 * 1.5]) expect(Number(fixed(x)) / 2 ** 192).toBe(x);
  expect(() => fixed(Number.NaN)).toThrow(RangeError);
});

test("the nearest f32 is taken, ties to even, subnormals as zero", () => {
  const { fround } = Math;
  for (const x of [1, 0.1, 1 / 3, -2.5e-8, 3.4e38, 1 + 2 ** -24, 1 + 3 * 2 ** -24, 2 ** -126, 16777217, 0])
    expect(toF32Bits(fixed(x))).toBe(f32Bits(fround(x)));
  expect(toF32Bits(fixed(2 ** -127))).toBe(0);
  expect(() => toF32Bits(fixed(1e39))).toThrow(RangeError);
});

test("a turn is 2π radians, and whole turns vanish", () => {
  expect(toTurns(2n * PI)).toBe(0n);
  expect(toTurns(PI)).toBe(1n << 63n);
  expect(toTurns(3n * PI)).toBe(1n << 63n);
  expect(toTurns(fixed(1))).toBe(0x28be60db9391054an);
});

test.each([
  ["the logarithm of zero", () => ln(0n)],
  ["the root of a negative number", () => squareRoot(-1n)],
])("%s is refused", (_, compute) => {
  expect(compute).toThrow(RangeError);
});

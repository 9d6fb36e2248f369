import { describe, expect, test } from "vitest";
import { floatBits } from "./element.ts";

describe("floatBits", () => {
  test.each([
    [0, 0x0000],
    [1, 0x3f80],
    [-1, 0xbf80],
    [1 + 2 ** -8, 0x3f80], // a tie, to the even one
    [1 + 3 * 2 ** -8, 0x3f82], // a tie, to the even one
    [1 + 2 ** -8 + 2 ** -20, 0x3f81],
    [0.02, 0x3ca4],
  ])("%d in BF16 is %i", (value, bits) => {
    expect(floatBits(value, "BF16")).toBe(bits);
  });

  test.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [1e9, 0x7bff],
    [2 ** -14, 0x0400],
    [2 ** -15, 0x0200],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000], // a tie, to the even one
    [1.5 * 2 ** -24, 0x0002],
    [2 ** -26, 0x0000],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 - 2 ** -12, 0x4000], // rounds up into the next exponent
  ])("%d in F16 is %i", (value, bits) => {
    expect(floatBits(value, "F16")).toBe(bits);
  });

  test("F16 gives every finite F16 back", () => {
    for (let bits = 0; bits < 0x7c00; bits++) {
      const exponent = bits >> 10;
      const fraction = bits & 0x3ff;
      const value = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
      if (floatBits(value, "F16") !== bits) expect(floatBits(value, "F16")).toBe(bits);
    }
  });

  test("F32 is the number's own", () => {
    expect(floatBits(0.1, "F32")).toBe(0x3dcccccd);
  });
});

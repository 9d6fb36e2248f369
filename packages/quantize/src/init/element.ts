/** The three float formats of checkpoints, written. Each rounds to nearest, ties to even. */

export type FloatType = "BF16" | "F16" | "F32";

export const FLOAT_BYTES: Readonly<Record<FloatType, number>> = { BF16: 2, F16: 2, F32: 4 };

/** The bits of a finite number in a float format, as an unsigned integer. */
export function floatBits(value: number, type: FloatType): number {
  switch (type) {
    case "F32":
      return f32Bits(value);
    case "BF16": {
      // The upper half of an f32. A tie rounds to the even one: add half, less one where the kept bits are even.
      const bits = f32Bits(value);
      return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
    }
    case "F16":
      return f16Bits(value);
  }
}

function f32Bits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0;
}

/** Beyond the range of F16 the largest finite number is taken: an infinity is no weight. */
function f16Bits(value: number): number {
  const bits = f32Bits(value);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 127;
  const significand = (bits & 0x7fffff) | 0x800000;
  // 11 significant bits, fewer below 2^-14, where F16 has a fixed step of 2^-24.
  const drop = exponent < -14 ? 13 + (-14 - exponent) : 13;
  if (drop > 24) return sign;
  const kept = significand >>> drop;
  const rest = significand & ((1 << drop) - 1);
  const half = 1 << (drop - 1);
  const rounded = rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
  // `rounded` carries the hidden bit, which adds one to the exponent field; a carry of the rounding adds another.
  const magnitude = exponent < -14 ? rounded : ((exponent + 14) << 10) + rounded;
  return sign | Math.min(magnitude, 0x7bff);
}

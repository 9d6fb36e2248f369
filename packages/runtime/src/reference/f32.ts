/** IEEE-754 binary32 bits, read as integers: value = significand · 2^exponent, exactly. */
export interface F32Parts {
  /** Signed, 24 bits for normal numbers. */
  readonly significand: number;
  readonly exponent: number;
}

/** Finite values only: infinities and NaN are refused when an artifact is verified. */
export function f32Parts(bits: number): F32Parts {
  const biased = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  const magnitude = biased === 0 ? fraction : fraction | 0x800000;
  return { significand: bits >>> 31 ? -magnitude : magnitude, exponent: (biased === 0 ? 1 : biased) - 150 };
}

/**
 * Exact integer arithmetic on JavaScript numbers.
 *
 * Every value here is an integer of at most 53 bits, which a number holds exactly; dividing by a power of two and taking the
 * floor is exact too. Products that could pass 53 bits go through BigInt. One rounding rule everywhere: to nearest, halves
 * towards +infinity, `floor(x / 2^s + 1/2)`.
 */

const POWERS: readonly number[] = (() => {
  const powers = [1];
  for (let i = 1; i <= 62; i++) powers.push((powers[i - 1] ?? 0) * 2);
  return powers;
})();

/** 2^n for 0 <= n <= 62. */
export function pow2(n: number): number {
  const power = POWERS[n];
  if (power === undefined) throw new RangeError(`2^${n} is outside the integer range of the numerics`);
  return power;
}

/** Bits of |x|: 0 for 0, n for 2^(n-1) <= |x| < 2^n. */
export function bitLength(x: number): number {
  const a = Math.abs(x);
  const high = Math.floor(a / 0x1_0000_0000);
  return high > 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(a >>> 0);
}

/** round(x / 2^s), s >= 0; 0 from s = 54 on. */
export function roundShift(x: number, s: number): number {
  if (s === 0) return x;
  if (s >= 54) return 0;
  return Math.floor((x + pow2(s - 1)) / pow2(s));
}

/**
 * Moves a 31-bit mantissa by k places: exactly to the left, rounding to the right. From 31 places on to the right nothing
 * is left, by definition (a 32-bit engine has no such shift).
 */
export function shift(x: number, k: number): number {
  if (x === 0 || k === 0) return x;
  if (k > 0) return x * pow2(k);
  return k <= -31 ? 0 : roundShift(x, -k);
}

/** `shift`, limited to ±2^30: for values whose size nothing bounds. */
export function shiftSaturating(x: number, k: number): number {
  if (x === 0) return 0;
  if (bitLength(x) + k > 30) return x < 0 ? -0x4000_0000 : 0x4000_0000;
  return shift(x, k);
}

/** round(a · b / 2^s) of an exact product, 0 <= s; |a · b| < 2^62. */
export function mulShift(a: number, b: number, s: number): number {
  const product = a * b;
  if (Math.abs(product) < 0x8_0000_0000_0000 && s < 52) return roundShift(product, s);
  if (s >= 63) return 0;
  const exact = BigInt(a) * BigInt(b);
  return Number(s === 0 ? exact : (exact + (1n << BigInt(s - 1))) >> BigInt(s));
}

/** round(a / b), b > 0. */
export function roundDiv(a: number, b: number): number {
  const n = 2n * BigInt(a) + BigInt(b);
  const d = 2n * BigInt(b);
  const truncated = n / d; // towards zero
  return Number(n < 0n && truncated * d !== n ? truncated - 1n : truncated);
}

/** floor(sqrt(x)) of an integer below 2^62. */
export function integerSqrt(x: bigint): bigint {
  if (x < 2n) return x;
  let root = 1n << BigInt(Math.ceil(x.toString(2).length / 2));
  for (;;) {
    const next = (root + x / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

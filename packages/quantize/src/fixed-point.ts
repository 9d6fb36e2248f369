/**
 * Elementary functions in big integers. Math.exp, pow, sin and log may differ in their last bits between engines, and one bit
 * in a sealed constant is another artifact; integer arithmetic is the same everywhere.
 *
 * A fixed-point number is a bigint in units of 2^-192. Every function is within 2^-150 of the true value for the sizes that
 * occur here (|x| < 2^40), far below the f32 or u64 that the result is rounded to.
 */
const BITS = 192n;
const ONE = 1n << BITS;

/** A real in units of 2^-192. */
export type Fixed = bigint;

const bitLength = (value: bigint): number => (value === 0n ? 0 : value.toString(2).length);

/** The exact value of a finite double, rounded towards -∞ beyond 192 fractional bits. */
export function fixed(value: number): Fixed {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = (bits >> 52n) & 0x7ffn;
  if (exponent === 0x7ffn) throw new RangeError("a fixed-point number must be finite");
  const fraction = bits & 0xfffffffffffffn;
  const significand = exponent === 0n ? fraction : fraction | (1n << 52n);
  const signed = bits >> 63n ? -significand : significand;
  const shift = (exponent === 0n ? 1n : exponent) - 1075n + BITS;
  return shift >= 0n ? signed << shift : signed >> -shift;
}

export const add = (a: Fixed, b: Fixed): Fixed => a + b;
export const multiply = (a: Fixed, b: Fixed): Fixed => (a * b) >> BITS;
export const divide = (a: Fixed, b: Fixed): Fixed => (a << BITS) / b;

/** Largest integer not above a / 1, as a fixed-point number. */
export const floor = (a: Fixed): Fixed => (a >> BITS) << BITS;
export const ceiling = (a: Fixed): Fixed => -floor(-a);
export const clamp = (a: Fixed, low: Fixed, high: Fixed): Fixed => (a < low ? low : a > high ? high : a);

/** Σ z^(2k+1) / (2k+1): atanh z, for |z| <= 1/3. */
function atanh(z: Fixed): Fixed {
  const square = multiply(z, z);
  let term = z;
  let sum = 0n;
  for (let k = 1n; term !== 0n && term !== -1n; k += 2n) {
    sum += term / k;
    term = multiply(term, square);
  }
  return sum;
}

/** Σ ± 1 / ((2k+1) n^(2k+1)): arctan(1/n). */
function arctanOfInverse(n: bigint): Fixed {
  let term = ONE / n;
  let sum = 0n;
  for (let k = 1n; term !== 0n; k += 2n) {
    sum += k % 4n === 1n ? term / k : -(term / k);
    term /= n * n;
  }
  return sum;
}

const LN2 = 2n * atanh(ONE / 3n);

/** π by Machin's formula, 16 arctan(1/5) - 4 arctan(1/239). */
export const PI: Fixed = 16n * arctanOfInverse(5n) - 4n * arctanOfInverse(239n);

/** Natural logarithm of a positive number: x = m 2^k with m in [1, 2), ln m = 2 atanh((m - 1) / (m + 1)). */
export function ln(x: Fixed): Fixed {
  if (x <= 0n) throw new RangeError("the logarithm of a number that is not positive");
  const k = bitLength(x) - 1 - Number(BITS);
  const m = k >= 0 ? x >> BigInt(k) : x << BigInt(-k);
  return BigInt(k) * LN2 + 2n * atanh(divide(m - ONE, m + ONE));
}

/** e^x: x = k ln 2 + r, then Taylor's series of r / 2^8, squared eight times. */
export function exp(x: Fixed): Fixed {
  const k = x / LN2;
  const r = (x - k * LN2) >> 8n;
  let term = ONE;
  let sum = ONE;
  for (let n = 1n; term !== 0n && term !== -1n; n++) {
    term = multiply(term, r) / n;
    sum += term;
  }
  for (let i = 0; i < 8; i++) sum = multiply(sum, sum);
  return k >= 0n ? sum << k : sum >> -k;
}

/** base^exponent for a positive base. */
export const power = (base: Fixed, exponent: Fixed): Fixed => exp(multiply(exponent, ln(base)));

/** Square root by Newton's method, rounded down. */
export function squareRoot(x: Fixed): Fixed {
  if (x < 0n) throw new RangeError("the square root of a negative number");
  const n = x << BITS;
  if (n === 0n) return 0n;
  let root = 1n << BigInt(Math.ceil(bitLength(n) / 2));
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** 1 / (1 + e^-x). */
export const sigmoid = (x: Fixed): Fixed => divide(ONE, ONE + exp(-clamp(x, -fixed(200), fixed(200))));

/** a / 2^shift, rounded to the nearest integer, a tie to the even one; a >= 0. */
function roundShift(a: bigint, shift: bigint): bigint {
  if (shift <= 0n) return a << -shift;
  const quotient = a >> shift;
  const rest = a - (quotient << shift);
  const half = 1n << (shift - 1n);
  return rest > half || (rest === half && quotient & 1n) ? quotient + 1n : quotient;
}

/** The bits of the nearest f32, ties to even; 0 below the normal numbers. */
export function toF32Bits(x: Fixed): number {
  const magnitude = x < 0n ? -x : x;
  let exponent = bitLength(magnitude) - 1 - Number(BITS);
  let significand = roundShift(magnitude, BigInt(exponent + Number(BITS) - 23));
  if (significand === 1n << 24n) {
    significand >>= 1n;
    exponent++;
  }
  if (magnitude === 0n || exponent < -126) return 0;
  if (exponent > 127) throw new RangeError("a constant is beyond the range of f32");
  const sign = x < 0n ? 0x80000000 : 0;
  return sign + (exponent + 127) * 0x800000 + (Number(significand) - 0x800000);
}

/** The nearest f32, as a number. */
export const toF32 = (x: Fixed): number => new Float32Array(Uint32Array.of(toF32Bits(x)).buffer)[0] ?? 0;

/** Turns in units of 2^-64, modulo one turn, of an angle in radians. */
export const toTurns = (radians: Fixed): bigint => BigInt.asUintN(64, roundShift(divide(radians, 2n * PI), BITS - 64n));

/** The bits of the f32 nearest to a double. */
export function f32Bits(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return view.getUint32(0);
}

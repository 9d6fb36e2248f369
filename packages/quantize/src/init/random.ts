/**
 * Random weights that are the same on every machine: integer generators and a table, no Math.log or cos, whose last bits
 * differ between engines.
 *
 * A tensor is made in blocks of 2^20 elements. Each block has its own generator, keyed by seed, name and number, so no block
 * depends on another, on the order of tensors or on shards.
 */
import { sha256 } from "@s7l/format";

/** Elements of a block; fixed for ever, as it decides which bytes a seed gives. */
export const BLOCK = 1 << 20;

/** xoshiro128** (Blackman and Vigna, prng.di.unimi.it): 32-bit words from a state of four. */
export class Xoshiro128 {
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  /** The state must not be all zeros; a hash never is. */
  constructor(state: readonly [number, number, number, number]) {
    [this.a, this.b, this.c, this.d] = state;
  }

  /** The next word, as a signed 32-bit integer. */
  next(): number {
    const s = Math.imul(this.b, 5);
    const result = Math.imul((s << 7) | (s >>> 25), 9);
    const t = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= t;
    this.d = (this.d << 11) | (this.d >>> 21);
    return result;
  }
}

/** The generator of one block of one tensor. `seed`: an integer of at most 53 bits. */
export function blockGenerator(seed: number, tensor: string, block: number): Xoshiro128 {
  const key = sha256(new TextEncoder().encode(`s7l init 1\n${seed}\n${tensor}\n${block}`));
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return new Xoshiro128([view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12)]);
}

/** Values that a sum of eight bytes can take. */
export const SUMS = 8 * 255 + 1;

/**
 * The sum of eight bytes, 0 to 2040: by the central limit close to normal (Irwin-Hall; excess kurtosis -0.15), mean 1020,
 * variance 8 · (256² - 1) / 12, at most 4.9 deviations from the mean.
 */
export function nextSum(generator: Xoshiro128): number {
  const x = generator.next();
  const y = generator.next();
  // Four 16-bit lanes: at most 4 · 255 in each of two.
  const lanes = (x & 0xff00ff) + ((x >>> 8) & 0xff00ff) + (y & 0xff00ff) + ((y >>> 8) & 0xff00ff);
  return (lanes & 0xffff) + (lanes >>> 16);
}

/** √(8 · 65535 / 12), the deviation of {@link nextSum}; a literal, so that no square root is computed. */
const SUM_DEVIATION = 209.02152999152983;

/** The value that each sum stands for, with the given deviation. Products and quotients of doubles are exact everywhere. */
export function normalTable(deviation: number): Float64Array {
  return Float64Array.from({ length: SUMS }, (_, sum) => ((sum - 1020) * deviation) / SUM_DEVIATION);
}

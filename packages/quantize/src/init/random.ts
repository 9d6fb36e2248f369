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

/** The state of a generator: four 32-bit words, not all zeros; of a hash they never are. */
export type RandomState = readonly [number, number, number, number];

/** The generator of one block of one tensor. `seed`: an integer of at most 53 bits. */
export function blockState(seed: number, tensor: string, block: number): RandomState {
  const key = sha256(new TextEncoder().encode(`s7l init 1\n${seed}\n${tensor}\n${block}`));
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return [view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12)];
}

/** Values that a sum of eight bytes can take. */
export const SUMS = 8 * 255 + 1;

/**
 * Fills with `table[sum]`, sum being that of the eight bytes of two words of xoshiro128** (Blackman and Vigna,
 * prng.di.unimi.it): 0 to 2040, by the central limit close to normal (Irwin-Hall; excess kurtosis -0.15), with mean 1020,
 * variance 8 · (256² - 1) / 12 and at most 4.9 deviations from the mean.
 *
 * The step stands here twice, on locals: a generator with a state of its own takes three times as long.
 */
export function fillFromTable<T extends Uint16Array | Uint32Array>(elements: T, table: T, state: RandomState): void {
  let [a, b, c, d] = state;
  for (let i = 0; i < elements.length; i++) {
    let s = Math.imul(b, 5);
    const x = Math.imul((s << 7) | (s >>> 25), 9);
    let t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    s = Math.imul(b, 5);
    const y = Math.imul((s << 7) | (s >>> 25), 9);
    t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    // Two lanes of 16 bits, each at most 4 · 255.
    const lanes = (x & 0xff00ff) + ((x >>> 8) & 0xff00ff) + (y & 0xff00ff) + ((y >>> 8) & 0xff00ff);
    elements[i] = table[(lanes & 0xffff) + (lanes >>> 16)] ?? 0;
  }
}

/** √(8 · 65535 / 12), the deviation of the sum; a literal, so that no square root is computed. */
const SUM_DEVIATION = 209.02152999152983;

/** The value that each sum stands for, with the given deviation. Products and quotients of doubles are exact everywhere. */
export function normalTable(deviation: number): Float64Array {
  return Float64Array.from({ length: SUMS }, (_, sum) => ((sum - 1020) * deviation) / SUM_DEVIATION);
}

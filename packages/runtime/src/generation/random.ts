/**
 * PCG32 (M. O'Neill, 2014; "XSH RR 64/32"): the generator behind sampling. Integers only, so a seed gives the same stream on
 * every machine. https://www.pcg-random.org
 */
const MULTIPLIER = 6364136223846793005n;
/** The stream of sampling; any odd number would do, this one stays for ever. */
const INCREMENT = (54n << 1n) | 1n;

/** A stream of random integers. */
export interface Random {
  /** The next 32 bits. */
  readonly word: () => number;
  /** An integer in [0, limit), limit <= 2^53: 64 random bits times the limit, divided by 2^64. */
  readonly below: (limit: number) => number;
}

/** Starts a stream; the seed is taken modulo 2^64. */
export function createRandom(seed: bigint): Random {
  let state = 0n;
  const word = (): number => {
    const old = state;
    state = BigInt.asUintN(64, old * MULTIPLIER + INCREMENT);
    const shifted = Number(BigInt.asUintN(32, ((old >> 18n) ^ old) >> 27n));
    const turn = Number(old >> 59n);
    return ((shifted >>> turn) | (shifted << (-turn & 31))) >>> 0;
  };
  word();
  state = BigInt.asUintN(64, state + BigInt.asUintN(64, seed));
  word();
  return {
    word,
    below: (limit) => {
      const high = BigInt(word());
      return Number((((high << 32n) | BigInt(word())) * BigInt(limit)) >> 64n);
    },
  };
}

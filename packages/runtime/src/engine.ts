/** What every engine is: the interpreter, and the WebAssembly engines that must equal it bit for bit. */

export type EngineName = "interpreter" | "simd" | "relaxed";

/** Integer logits of one or more positions: logit = mantissas[p · vocab + id] · 2^exponents[p]. */
export interface Logits {
  readonly vocab: number;
  readonly mantissas: Int32Array;
  readonly exponents: Int32Array;
}

export interface Engine {
  readonly name: EngineName;
  /** Threads that share each step. */
  readonly threads: number;
  /** A new sequence with an empty cache. */
  readonly open: () => Sequence;
  /** Ends its threads, if it has any; no sequence runs afterwards. Where nobody calls it, the garbage collector will. */
  readonly close?: () => void;
}

/** One sequence of tokens with its key-value cache. */
export interface Sequence {
  /** Positions in the cache. */
  readonly length: number;
  /**
   * Runs tokens at the next positions and gives the logits of the last one or of all. `experts`: of each position, its
   * expert in the routed stage; empty where the fold has none. Calls that do not wait for each other run in their order.
   */
  forward(ids: readonly number[], experts: readonly number[], want: "last" | "all"): Promise<Logits>;
  /**
   * Gives the cache back once the calls before it have run. The sequence must not be used afterwards; where nobody calls it,
   * the garbage collector will.
   */
  close?(): void;
}

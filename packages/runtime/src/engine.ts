/** What every engine is: the interpreter, and the WebAssembly engines that must equal it bit for bit. */

export type EngineName = "interpreter" | "simd" | "relaxed";

/** Integer logits of one or more positions: logit = mantissas[p · vocab + id] · 2^exponents[p]. */
export interface Logits {
  readonly vocab: number;
  readonly mantissas: Int32Array;
  readonly exponents: Int32Array;
}

/** What a layer's state looks like, but for how many slots it has. */
export interface LayerShape {
  readonly kvHeads: number;
  readonly keySize: number;
  readonly valueSize: number;
}

/**
 * What one attention layer remembers, in no engine's own order: each array by key-value head, then by slot. A zero key or value
 * has exponent 0. See CachedKey and CachedValue in reference/attention.ts.
 */
export interface LayerState {
  readonly slots: number;
  /** [kvHeads, slots, keySize], |q| <= 2047, and [kvHeads, slots]. */
  readonly keys: Int16Array;
  readonly keyExponents: Int32Array;
  /** [kvHeads, slots, valueSize], |q| <= 127, and [kvHeads, slots] each. */
  readonly values: Int8Array;
  readonly magnitudes: Int32Array;
  readonly valueExponents: Int32Array;
}

export interface Engine {
  readonly name: EngineName;
  /** Threads that share each step. */
  readonly threads: number;
  /** A new sequence with an empty cache. */
  readonly open: () => Sequence;
  /** Ends its threads, if it has any: what they compute fails. Where nobody calls it, the garbage collector will. */
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
  /** What its layers remember, in the order of the fold (expert after expert in a routed stage), once the calls before it have run. */
  save(): Promise<readonly LayerState[]>;
  /** Fills an empty sequence with what `save` of any engine gave after `length` positions. Nothing is checked here. */
  restore(layers: readonly LayerState[], length: number): Promise<void>;
  /**
   * Gives the cache back once the calls before it have run. The sequence must not be used afterwards; where nobody calls it,
   * the garbage collector will.
   */
  close?(): void;
}

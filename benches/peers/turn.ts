/** What a turn is: the same tokens for everybody. */

/** Seconds of one turn. */
export interface Turn {
  /** {@link PREFILL} tokens from an empty cache, up to the logits of the last and the choice of a token. */
  readonly prefill: number;
  /** {@link DECODE} tokens more, each chosen from the logits of the one before. */
  readonly decode: number;
}

export const PREFILL = 256;
export const DECODE = 64;

/** The ids of a prompt: plain tokens, no marks, no bytes. */
export const PROMPT: readonly number[] = Array.from({ length: PREFILL }, (_, i) => 300 + ((i * 7919) % 24_000));

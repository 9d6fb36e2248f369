/** The head of a token's row. Its words: */

export const exponent = 0;
/**
 * Of rows: the bitwise or of all |mantissa|, which has the bits of the largest one. A word for each thread, as those that made a share of
 * the row each left their own.
 */
export const or = 1;
/** Of activations: Σ |q|. */
export const l1 = 1;

/** Bytes of a head: one cache line. */
export const bytes = 64;

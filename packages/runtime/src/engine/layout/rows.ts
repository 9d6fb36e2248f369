/**
 * Rows, a block a token: data i32 [tokens][stride], zero beyond the width up to a multiple of 8, and a head (head.ts) for each token.
 * Activations, of 14 bits, are the same record: data i16 [tokens][stride], zero beyond the width.
 */

export const data = 0;
export const heads = 1;
/** Elements from one token to the next. */
export const stride = 2;

/** What a feed-forward network does between its matrices. */

/** One of activation.ts. */
export const activation = 0;
/** Factor and limit of the clamped swish. */
export const alphaSignificand = 1;
export const alphaExponent = 2;
export const limitSignificand = 3;
export const limitExponent = 4;
export const width = 5;

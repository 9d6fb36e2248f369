/** An attention. */

export const heads = 0;
export const kvHeads = 1;
export const keySize = 2;
export const valueSize = 3;
export const scaleSignificand = 4;
export const scaleExponent = 5;
/** Slots that a query sees, or 0: all. */
export const window = 6;
/** Pairs of dims that are rotated, or 0: none. */
export const pairs = 7;
/** 1: pairs are neighbours, 0: halves. */
export const interleaved = 8;
/** The first dim that is rotated. */
export const ropeOffset = 9;
/** Address of an i32 a head in Q24, or 0. */
export const slopes = 10;
/** Address of an i32 a head in Q16, or 0. */
export const sinks = 11;
/** Addresses of norms, or 0. */
export const qNorm = 12;
export const kNorm = 13;
/** Dims of a key that come from the shared row of latent attention, else 0. */
export const rotated = 14;

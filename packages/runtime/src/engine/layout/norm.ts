/** A norm. */

/** 1: LayerNorm, 0: RMSNorm. */
export const layer = 0;
export const epsSignificand = 1;
export const epsExponent = 2;
/** Address of i32 mantissas. */
export const gain = 3;
export const gainExponent = 4;
/** Address of i32 mantissas, or 0. */
export const bias = 5;
export const biasExponent = 6;
export const biasBits = 7;

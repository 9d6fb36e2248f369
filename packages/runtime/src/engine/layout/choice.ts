/**
 * A choice of an expert for a token, which has as many as are used, in ascending expert. The weight is factor · 2^(exponent - 30). Its words:
 */

export const expert = 0;
export const factor = 1;
export const exponent = 2;

/** Bytes of a choice. */
export const bytes = 16;

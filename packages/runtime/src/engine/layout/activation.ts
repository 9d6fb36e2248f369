/** Activations by their number in the record of a feed-forward network: named as in the fold. */

export const silu = 0;
export const geluTanh = 1;
export const geluErf = 2;
export const relu = 3;
export const relu2 = 4;
/** The clamped swish of a gate with limits. */
export const clamped = 5;

/** A matrix with its bias: int8 [rows][stride], zero beyond the columns up to the stride, a multiple of 16. */

export const data = 0;
export const stride = 1;
/** Address of the second int8 plane, or 0. */
export const plane = 2;
/** i32 [rows], with the bits of the largest one and the exponent of them all. */
export const multipliers = 3;
export const multiplierBits = 4;
export const exponent = 5;
export const rows = 6;
export const columns = 7;
/** Address of i32 mantissas, or 0; zero beyond the rows up to a multiple of 8. */
export const bias = 8;
export const biasExponent = 9;
export const biasBits = 10;
/** Address of the sums of its rows, i32 [rows], where the module uses relaxed SIMD, else 0. */
export const sums = 11;

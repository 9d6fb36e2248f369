/** A query of a group while attention sees to it, in the scratch. Its words: */

/** Address of its mantissas, and their exponent. */
export const q = 0;
export const exponent = 1;
export const slope = 2;
/** Slots [start, end) are visible. */
export const start = 3;
export const end = 4;
/** Address of an i32 a slot, from `start` rounded down to a block. */
export const scores = 5;
/** Address of an i64 a dim. */
export const sums = 6;
/** The largest score and the largest exponent of a value so far. */
export const largest = 7;
export const valueExponent = 8;
/** Which of the chunk's heads it is. */
export const at = 9;
/** Sum of its powers, in 64 bits. */
export const total = 10;

/** Bytes of a query. */
export const bytes = 48;

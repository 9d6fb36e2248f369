/** A router of experts. */

export const count = 0;
export const used = 1;
/** 1: scores are sigmoids, 0: a softmax. */
export const sigmoid = 2;
/** Address of an i64 an expert in Q30, or 0. */
export const bias = 3;
/** 1: weights are shares of the sum of those chosen. */
export const normalised = 4;
/** Groups, or 0: none; how many are kept, and how many experts count for what a group is worth. */
export const groups = 5;
export const groupsUsed = 6;
export const groupTop = 7;
export const scaleSignificand = 8;
export const scaleExponent = 9;

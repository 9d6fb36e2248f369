/** Records for tests of kernels alone. */
import type { Words } from "../src/engine/heap.ts";
import type * as ATTENTION from "../src/engine/layout/attention.ts";

/** An attention of one head of no size: everything, by no position, with no norm. */
export const ONE_HEAD: Words<keyof typeof ATTENTION> = {
  heads: 1,
  kvHeads: 1,
  keySize: 0,
  valueSize: 0,
  scaleSignificand: 0,
  scaleExponent: 0,
  window: 0,
  pairs: 0,
  interleaved: 0,
  ropeOffset: 0,
  slopes: 0,
  sinks: 0,
  qNorm: 0,
  kNorm: 0,
  rotated: 0,
};

import { type Fold, spanLayout, tensorPlan } from "@s7l/format";

/** Bytes of all weights of a fold, as they are sealed. */
export function weightBytes(fold: Fold): number {
  return tensorPlan(fold).reduce((sum, tensor) => sum + spanLayout(tensor).size, 0);
}

import { type PlannedTensor, spanLayout } from "@s7l/format";

/** Bytes of planned tensors, as they are sealed. */
export function weightBytes(plan: readonly PlannedTensor[]): number {
  return plan.reduce((sum, tensor) => sum + spanLayout(tensor).size, 0);
}

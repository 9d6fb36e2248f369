/** `seal`: weights go in, an artifact and its root come out. Planned, written and finished in one go, in any store. */
import type { ByteStore, WeightSource } from "@s7l/format";
import { type WriteOptions, writeTensors } from "./data.ts";
import { finishSeal, type GoldenCallback, type Seal } from "./finish.ts";
import { type PlanOptions, planSeal } from "./plan.ts";

export interface SealOptions extends PlanOptions, WriteOptions {
  readonly golden: GoldenCallback;
}

/**
 * Seals weights into `store`. The same weights and options give the same bytes everywhere. Throws PackError where the weights
 * do not fit their fold or break a rule of the format; the store then holds a torn artifact, which its owner discards.
 */
export async function seal(weights: WeightSource, store: ByteStore, options: SealOptions): Promise<Seal> {
  const plan = planSeal(weights, options);
  const sealed = await writeTensors(plan, weights, plan.data.tensors, store, options);
  return finishSeal(plan, sealed, store, options.golden);
}

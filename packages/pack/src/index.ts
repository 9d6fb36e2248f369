export type { SealedTensor, WriteOptions } from "./data.ts";
export { PackError, type PackErrorCode } from "./errors.ts";
export type { GoldenCallback, Seal } from "./finish.ts";
export { type PlanOptions, type Prompts, planSeal, type SealPlan } from "./plan.ts";
export { type SealOptions, seal } from "./seal.ts";
export { parseShard, type Shard, tensorsOfShard } from "./shard.ts";

export { type MergeOptions, mergeShards } from "./merge-shards.ts";
export {
  type FinishOptions,
  type PartOptions,
  type SealedShard,
  sealFile,
  sealShard,
} from "./seal-file.ts";

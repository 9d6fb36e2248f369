export { FAMILIES } from "./architectures/index.ts";
export { type Checkpoint, type CheckpointPath, openCheckpoint } from "./checkpoint/checkpoint.ts";
export { type Collection, type CollectOptions, collectCheckpoint } from "./checkpoint/collect.ts";
export { ADVICE, adviceFor, FINDINGS, type Finding, type FindingCode, type Trouble } from "./checkpoint/findings.ts";
export { type BuiltIndex, indexCheckpoint } from "./checkpoint/index-checkpoint.ts";
export { type Lint, type LintOptions, lintCheckpoint } from "./checkpoint/lint.ts";
export { type MadeManifest, type ManifestOptions, makeManifest } from "./checkpoint/make-manifest.ts";
export { encodeManifest, type Manifest, type ManifestEntry, parseManifest } from "./checkpoint/manifest.ts";
export { readSafetensors, type StoredTensor } from "./checkpoint/safetensors.ts";
export {
  type CheckpointVerification,
  type VerifyCheckpointOptions,
  verifyCheckpoint,
} from "./checkpoint/verify-checkpoint.ts";
export type { Axis, View } from "./checkpoint/view.ts";
export type { VocabularyFiles } from "./checkpoint/vocabulary.ts";
export type { Config } from "./config.ts";
export { QuantizeError, type QuantizeErrorCode } from "./errors.ts";
// A checkpoint with random weights
export type { FloatType } from "./init/element.ts";
export { type FreshCheckpoint, type FreshFile, type FreshOptions, freshCheckpoint } from "./init/fresh-checkpoint.ts";
export { configNames, type ModelConfig, readModelConfig } from "./init/model-config.ts";
export type { Sharding } from "./init/shards.ts";
export { type WriteOptions, writeCheckpoint } from "./init/write-checkpoint.ts";
export { type BoundTensor, type LoweredCheckpoint, lowerCheckpoint, lowerConfig } from "./lower.ts";
export type { Derived, Family, Lowered, Rules, Source } from "./lowering.ts";
// A model before it exists
export { type Comparison, compareFigures } from "./plan/compare.ts";
export type { GroupTensor, TensorGroup } from "./plan/groups.ts";
export type { ComponentCount, ParameterCounts } from "./plan/parameters.ts";
export { type Plan, planModel } from "./plan/plan.ts";
export { PUBLISHED, type PublishedModel, publishedOf } from "./plan/published.ts";
export type { TileFit } from "./plan/tiles.ts";
export { A100, type Hardware, type TrainingBudget, trainingBudget, type Work } from "./plan/training.ts";
export { type QuantizedWeights, type QuantizeOptions, quantize } from "./quantize.ts";
export { quantizeOnThreads, type ThreadedWeights } from "./quantize-threads.ts";
export { type Report, readTensorReport, type TensorReport } from "./report.ts";

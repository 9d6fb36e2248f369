export { CHUNK_TOKENS } from "./engine/layout/sizes.ts";
export { MAX_THREADS } from "./engine/wasm-engine.ts";
export { widenVectors } from "./engine/wide-vectors.ts";
export type { Engine, EngineName, LayerState, Logits, Sequence } from "./engine.ts";
export {
  GateError,
  type GateErrorCode,
  RuntimeError,
  type RuntimeErrorCode,
  SessionStateError,
  type SessionStateErrorCode,
} from "./errors.ts";
export { dequantize, type EvaluateOptions, type Evaluation, evaluate, sequencesOf } from "./eval.ts";
export { type GenerateOptions, type GenerateStep, generate, type StopReason } from "./generation/generate.ts";
export { createSampler, SAMPLING, type Sampler, type SamplerOptions } from "./generation/sampler.ts";
export { describeHost, type HostReport } from "./host-report.ts";
export { type LoadOptions, loadModel, type Model } from "./model.ts";
export { createLogitsDigest, type LogitsDigest } from "./receipt/logits-digest.ts";
export {
  createReceipt,
  encodeReceipt,
  MAX_RECEIPT_BYTES,
  MAX_STOPS,
  parseReceipt,
  type Receipt,
} from "./receipt/receipt.ts";
export { type Difference, type Replay, type ReplayOptions, replayReceipt } from "./receipt/replay-receipt.ts";
export { type GoldenReplayOptions, goldenPrompts, replayGolden, replayPrompts } from "./replay-golden.ts";
export { type Phase, STX } from "./session/gate.ts";
export { createLexicalRouter, type RouteCursor } from "./session/lexical-router.ts";
export { openSession, type Session, type SessionBody } from "./session/session.ts";
export {
  type DecodeOptions,
  openTokenizer,
  requireTokenizer,
  type TextStream,
  type Tokenizer,
} from "./tokenizer/tokenizer.ts";

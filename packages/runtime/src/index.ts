export { MAX_THREADS } from "./engine/wasm-engine.ts";
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
export { type Phase, STX } from "./gate.ts";
export { type GenerateOptions, type GenerateStep, generate, type StopReason } from "./generate.ts";
export { describeHost, type HostReport } from "./host-report.ts";
export { createLexicalRouter, type RouteCursor } from "./lexical-router.ts";
export { createLogitsDigest, type LogitsDigest } from "./logits-digest.ts";
export { type LoadOptions, loadModel, type Model } from "./model.ts";
export { createReceipt, encodeReceipt, MAX_RECEIPT_BYTES, parseReceipt, type Receipt } from "./receipt.ts";
export { type GoldenReplayOptions, goldenPrompts, replayGolden, replayPrompts } from "./replay-golden.ts";
export { type Difference, type Replay, type ReplayOptions, replayReceipt } from "./replay-receipt.ts";
export { createSampler, type Sampler, type SamplerOptions } from "./sampler.ts";
export { openSession, type Session, type SessionBody } from "./session.ts";
export { type DecodeOptions, openTokenizer, requireTokenizer, type TextStream, type Tokenizer } from "./tokenizer.ts";

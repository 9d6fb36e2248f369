export { type Coverage, isVerifiedArtifact, type VerifiedArtifact } from "./artifact.ts";
export type { CheckSignature, Sealed, SignatureVerdict, Signed } from "./authenticity.ts";
export type { ChunkCache } from "./cache/chunk-cache.ts";
export { memoryCache } from "./cache/memory-cache.ts";
export { openOpfsCache, opfsCache } from "./cache/opfs-cache.ts";
export { RULES, type RuleId, VerifyError, type VerifyErrorCode } from "./errors.ts";
export { addressName } from "./http-source/answer.ts";
export { HttpError, type HttpErrorCode } from "./http-source/errors.ts";
export { fetchFailure } from "./http-source/fetch-failure.ts";
export { type HttpOptions, type HttpSource, openHttpSource } from "./http-source/http-source.ts";
export type { RuleVerdict } from "./ledger.ts";
export { SignatureError, type SignatureErrorCode } from "./signature/errors.ts";
export {
  type OpenOptions,
  openVerified,
  type Prompts,
  type Replay,
  type Verification,
  type VerifyOptions,
  verify,
} from "./verify.ts";

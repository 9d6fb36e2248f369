export { PackError, type PackErrorCode } from "./errors.ts";
export { defaultPrompts } from "./prompts.ts";
export { type GoldenCallback, type Prompts, type Seal, type SealOptions, seal } from "./seal.ts";

/** Every family: one line each. */
import type { Family } from "../lowering.ts";
import { deepseekV2 } from "./deepseek-v2.ts";
import { deepseekV3 } from "./deepseek-v3.ts";
import { gptOss } from "./gpt-oss.ts";
import { llama } from "./llama.ts";
import { mixtral } from "./mixtral.ts";
import { moeGpt } from "./moe-gpt.ts";
import { oracle } from "./oracle.ts";
import { qwen2Moe } from "./qwen2-moe.ts";
import { qwen3Moe } from "./qwen3-moe.ts";
import { s7 } from "./s7.ts";
import { vpMoe } from "./vpmoe.ts";

export const FAMILIES: readonly Family[] = [
  llama,
  mixtral,
  qwen2Moe,
  qwen3Moe,
  deepseekV2,
  deepseekV3,
  gptOss,
  moeGpt,
  vpMoe,
  s7,
  oracle,
];

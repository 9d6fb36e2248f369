/**
 * GOLDEN: prompts as token ids, each with the digest of its integer logits. Whoever runs the artifact can replay them and
 * must come to the same digests (V6). An all-zero digest marks a draft: it was never run.
 */
import { bytes, type Infer, integer, list, record } from "./schema.ts";

/** Prompts an artifact may hold. */
export const MAX_PROMPTS = 64;
/** Ids they may hold in all: replay is part of every full verification, and the work of attention grows with the square of a prompt. */
export const MAX_PROMPT_IDS = 512;

const goldenPromptSchema = record({ ids: list(integer(), MAX_PROMPT_IDS, 1), digest: bytes(32) });

export type GoldenPrompt = Infer<typeof goldenPromptSchema>;

/** The index of the first prompt that stands before it already, or -1. To run one twice would prove nothing, and be another file. */
export function repeatedPrompt(prompts: readonly (readonly number[])[]): number {
  const known = new Set<string>();
  return prompts.findIndex((ids) => known.size === known.add(ids.join()).size);
}

export const goldenSchema = /* @__PURE__ */ list(goldenPromptSchema, MAX_PROMPTS, 1);

/**
 * GOLDEN: prompts as token ids, each with the digest of its integer logits. Whoever runs the artifact can replay them and
 * must come to the same digests (V6). An all-zero digest marks a draft: it was never run.
 */
import { bytes, type Infer, integer, list, record } from "./schema.ts";

/** Prompts an artifact may hold. */
export const MAX_PROMPTS = 64;
/** Ids a prompt may hold: replay is part of every full verification, so it must stay short. */
export const MAX_PROMPT_IDS = 4096;

const goldenPromptSchema = record({ ids: list(integer(), MAX_PROMPT_IDS, 1), digest: bytes(32) });

export type GoldenPrompt = Infer<typeof goldenPromptSchema>;

export const goldenSchema = /* @__PURE__ */ list(goldenPromptSchema, MAX_PROMPTS, 1);

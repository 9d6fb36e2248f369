/** Golden prompts: which to seal, and how a verifier replays them. */
import { encodeCanonical, type LexicalTable, MAX_PROMPT_IDS, sha256, type WeightSource } from "@s7l/format";
import type { Prompts, VerifiedArtifact } from "@s7l/verify";
import { RuntimeError } from "./errors.ts";
import { STX } from "./gate.ts";
import { turns } from "./generate.ts";
import { createLogitsDigest } from "./logits-digest.ts";
import { type LoadOptions, loadModel, type Model } from "./model.ts";
import { openSession } from "./session.ts";
import { openTokenizer } from "./tokenizer.ts";

/** Ids a prompt and prompts in all: a few dozen positions, so that replay is cheap for a large model too. */
const LENGTH = 16;
const TEXTS = 4;
/** Positions a call: their logits are all kept at once. */
const CHUNK = 16;

/**
 * The prompts to seal for these weights: ids drawn from a hash of the fold, which reach any part of the vocabulary, and where
 * there is text, a sentence for each way that the model routes text (or one sentence). At most 5 prompts of 16 ids; the
 * same weights have the same prompts everywhere.
 */
export function goldenPrompts({
  fold,
  lexical,
  vocabulary,
}: Pick<WeightSource, "fold" | "lexical" | "vocabulary">): Prompts {
  const length = Math.min(LENGTH, fold.context);
  const seed = sha256(encodeCanonical(fold));
  const drawn = Array.from({ length }, (_, position) => {
    const hash = sha256(seed, Uint8Array.of(position));
    return new DataView(hash.buffer, hash.byteOffset).getUint32(0, true) % fold.vocab;
  });
  const tokenizer = openTokenizer(vocabulary, fold.vocab);
  const texts = tokenizer ? sentences(lexical).map((text) => tokenizer.encode(text).slice(0, length)) : [];
  return [drawn, ...texts.filter((ids) => ids.length > 0)];
}

const SENTENCE = "The sea was calm";

function sentences(lexical: LexicalTable | undefined): readonly string[] {
  if (!lexical) return [`${SENTENCE}, and 12 ships lay still.`];
  const triggers = lexical.domains.flatMap(({ triggers, digitPercentAbove }) => {
    const trigger = triggers[0] ?? (digitPercentAbove === undefined ? undefined : "2024 1999 ");
    return trigger === undefined ? [] : [`${trigger}${SENTENCE}`];
  });
  return [SENTENCE, ...triggers].slice(0, TEXTS);
}

/**
 * Runs prompts, each in a session of its own, and gives the digest of the integer logits of every position of each. Throws
 * what a session throws.
 */
export async function replayPrompts(model: Model, prompts: Prompts, signal?: AbortSignal): Promise<Uint8Array[]> {
  const turn = turns(signal);
  const digests: Uint8Array[] = [];
  for (const ids of prompts) {
    if (ids.length < 1 || ids.length > MAX_PROMPT_IDS)
      throw new RuntimeError("ids", `a golden prompt has ${ids.length} ids; 1 to ${MAX_PROMPT_IDS} are allowed`);
    const session = openSession(model);
    const body = session.begin(STX);
    const digest = createLogitsDigest();
    for (let at = 0; at < ids.length; at += CHUNK) {
      await turn();
      digest.update(await body.forward(ids.slice(at, at + CHUNK), "all"));
    }
    session.close();
    digests.push(digest.digest());
  }
  return digests;
}

/** Loads an artifact and replays prompts: what `verify(source, { replay: replayGolden })` and `seal` want. */
export async function replayGolden(
  artifact: VerifiedArtifact,
  prompts: Prompts,
  options?: LoadOptions & { readonly signal?: AbortSignal },
): Promise<Uint8Array[]> {
  return replayPrompts(await loadModel(artifact, options), prompts, options?.signal);
}

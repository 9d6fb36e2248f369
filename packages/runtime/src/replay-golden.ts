/** Golden prompts: which to seal, and how a verifier replays them. */
import { encodeCanonical, type LexicalTable, MAX_PROMPT_IDS, sha256, takeTurn, type WeightSource } from "@s7l/format";
import { isVerifiedArtifact, type Prompts, type VerifiedArtifact } from "@s7l/verify";
import { bestEngine } from "./engine/host.ts";
import { runStreamed } from "./engine/streamed.ts";
import { RuntimeError } from "./errors.ts";
import { type LoadOptions, loadModel, type Model, notVerified } from "./model.ts";
import { createLogitsDigest } from "./receipt/logits-digest.ts";
import { passGate, STX } from "./session/gate.ts";
import { openSession } from "./session/session.ts";
import { openTokenizer, type Tokenizer } from "./tokenizer/tokenizer.ts";
import { weightBytes } from "./weight-bytes.ts";

/** Ids a prompt and prompts in all: a few dozen positions, so that replay is cheap for a large model too. */
const LENGTH = 16;
const TEXTS = 4;
/** Positions a call: their logits are all kept at once. */
const CHUNK = 16;
/** Logits a call, of wide vocabularies. */
const LOGITS = 1 << 24;

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
  const texts = tokenizer ? sentences(lexical).map((text) => idsOf(tokenizer, text).slice(0, length)) : [];
  // Two texts can have the same ids, as where a vocabulary has one id for whatever it cannot spell: each prompt is sealed once.
  const prompts = [drawn, ...texts.filter((ids) => ids.length > 0)].map((ids) => [ids.join(), ids] as const);
  return [...new Map(prompts).values()];
}

/** The ids of a text, or none where the vocabulary cannot spell it: a model need not know English to be sealed. */
function idsOf(tokenizer: Tokenizer, text: string): readonly number[] {
  try {
    return tokenizer.encode(text);
  } catch (error) {
    if (error instanceof RuntimeError) return [];
    throw error;
  }
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
  const digests: Uint8Array[] = [];
  for (const ids of prompts) {
    if (ids.length < 1 || ids.length > MAX_PROMPT_IDS)
      throw new RuntimeError("ids", `a golden prompt has ${ids.length} ids; 1 to ${MAX_PROMPT_IDS} are allowed`);
    const digest = createLogitsDigest();
    const session = openSession(model);
    const chunk = Math.max(1, Math.min(CHUNK, Math.floor(LOGITS / model.vocab)));
    try {
      const body = session.begin(STX);
      for (let at = 0; at < ids.length; at += chunk) {
        await takeTurn(signal);
        digest.update(await body.forward(ids.slice(at, at + chunk), "all"));
      }
    } finally {
      session.close();
    }
    digests.push(digest.digest());
  }
  return digests;
}

export interface GoldenReplayOptions extends LoadOptions {
  readonly signal?: AbortSignal;
  /**
   * Bytes of weights up to which the model is held whole while it is replayed. The matrices of a larger one pass by in blocks of
   * rows, with the same bits and the memory of a few blocks. Default: 128 MiB.
   */
  readonly holdUpTo?: number;
  /** Called for a model that passes by, with the bytes of weights that have, and all that will. */
  readonly onProgress?: (done: number, total: number) => void;
}

const HOLD = 128 << 20;

/** Loads an artifact and replays prompts: what `verify(source, { replay: replayGolden })` and `seal` want. */
export async function replayGolden(
  artifact: VerifiedArtifact,
  prompts: Prompts,
  options: GoldenReplayOptions = {},
): Promise<Uint8Array[]> {
  if (!isVerifiedArtifact(artifact)) throw notVerified();
  const { holdUpTo = HOLD, signal } = options;
  const weights = weightBytes(artifact.plan);
  // A stream keeps the logits of all prompts, twice: those of a wide vocabulary can be more than the model.
  const logits = 8 * artifact.fold.vocab * prompts.reduce((sum, ids) => sum + ids.length, 0);
  const passes = weights > holdUpTo && logits <= Math.max(HOLD, weights);
  const streamed = passes ? await replayStreamed(artifact, prompts, options) : undefined;
  if (streamed) return streamed;
  const model = await loadModel(artifact, options);
  try {
    return await replayPrompts(model, prompts, signal);
  } finally {
    model.close();
  }
}

/** Undefined where the wanted engine or the prompts need the model to be held. */
async function replayStreamed(
  artifact: VerifiedArtifact,
  prompts: Prompts,
  { engine = "auto", signal, onProgress }: GoldenReplayOptions,
): Promise<Uint8Array[] | undefined> {
  const name = engine === "auto" ? await bestEngine() : engine;
  const { gate, policy, fold } = artifact;
  const fits = (ids: readonly number[]) =>
    ids.length > 0 &&
    ids.length <= policy.maxContext &&
    ids.every((id) => Number.isInteger(id) && id >= 0 && id < fold.vocab);
  if (name === "interpreter" || !prompts.every(fits)) return undefined;
  passGate(STX, gate, policy);
  const logits = await runStreamed(artifact, name, prompts, { signal, onProgress });
  return logits?.map((rows) => createLogitsDigest().update(rows));
}

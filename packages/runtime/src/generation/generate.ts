/** Generation: a prompt in, one step an id out. What it yields depends on artifact, prompt and options alone. */
import { takeTurn } from "@s7l/format";
import { CHUNK_TOKENS } from "../engine/layout/sizes.ts";
import { RuntimeError } from "../errors.ts";
import type { Model } from "../model.ts";
import { createLogitsDigest } from "../receipt/logits-digest.ts";
import type { SessionBody } from "../session/session.ts";
import { requireTokenizer } from "../tokenizer/tokenizer.ts";
import { createSampler, type SamplerOptions } from "./sampler.ts";
import { stopAt } from "./stop-text.ts";

export interface GenerateOptions extends SamplerOptions {
  /** Steps at most. Default: as many as the context holds. */
  readonly maxTokens?: number;
  /** Texts that end the generation; they are not part of it. They need a tokenizer. */
  readonly stop?: readonly string[];
  /** Checked between steps and between chunks of the prompt; its reason is thrown. */
  readonly signal?: AbortSignal;
  /** Called after each chunk of the prompt. */
  readonly onPrompt?: (done: number, total: number) => void;
}

/** Why a generation ended: an end-of-sequence id, a stop text, `maxTokens`, or a full context. */
export type StopReason = "eos" | "stop" | "length" | "context";

/** One generated id. */
export interface GenerateStep {
  readonly id: number;
  /** Text that this step completes: none in the middle of a character or of what may become a stop text. */
  readonly text: string;
  /** Digest of the integer logits of every generated position so far, this one included. */
  readonly logitsDigest: Uint8Array;
  /** Present on the last step alone. The end-of-sequence id is a step too; it has no text. */
  readonly stop?: StopReason;
}

/**
 * Continues a prompt in an open body. Each step's id is chosen from the logits of the position before; it is run only when
 * another follows, so that the last id of a generation is not yet in the body. Throws RuntimeError `context` for a prompt
 * too long, `no-text`, `option`, `ids`, and `interleaved` where the body is used by others meanwhile.
 */
export async function* generate(
  body: SessionBody,
  prompt: string | readonly number[],
  options: GenerateOptions = {},
): AsyncGenerator<GenerateStep, void> {
  const { model } = body;
  const sampler = createSampler(options);
  const promptIds = typeof prompt === "string" ? requireTokenizer(model).encode(prompt) : prompt;
  if (promptIds.length === 0) throw new RuntimeError("ids", "the prompt is empty: give a text, or ids");
  const ids = [...body.ids, ...promptIds];
  const ending = createEnding(model, ids, options);
  const digest = createLogitsDigest();

  let logits = await runPrompt(body, promptIds, options);
  for (;;) {
    const id = sampler.choose(logits, ids);
    const logitsDigest = digest.update(logits);
    ids.push(id);
    const { text, stop } = ending.push(id);
    if (stop) {
      yield { id, text, logitsDigest, stop };
      return;
    }
    yield { id, text, logitsDigest };
    await takeTurn(options.signal);
    if (body.length !== ids.length - 1)
      throw new RuntimeError("interleaved", "the session was used during a generation: open one session for each");
    logits = await body.forward([id]);
  }
}

async function runPrompt(body: SessionBody, ids: readonly number[], { signal, onPrompt }: GenerateOptions) {
  const { context } = body.model;
  // Before the first chunk: a prompt that does not fit leaves the body as it was.
  if (body.length + ids.length > context) {
    throw new RuntimeError(
      "context",
      `the prompt makes ${body.length + ids.length} positions; the artifact allows ${context}: shorten it`,
    );
  }
  // As many at once as an engine takes: of fewer each costs more, and between calls an abort is heard. No bit changes.
  for (let at = 0; ; at += CHUNK_TOKENS) {
    await takeTurn(signal);
    const logits = await body.forward(ids.slice(at, at + CHUNK_TOKENS));
    onPrompt?.(Math.min(at + CHUNK_TOKENS, ids.length), ids.length);
    if (at + CHUNK_TOKENS >= ids.length) return logits;
  }
}

/** What generated ids add to the text, and where they end. */
export interface Ending {
  readonly push: (id: number) => { readonly text: string; readonly stop?: StopReason };
}

/** The ending of what follows `ids`. Throws RuntimeError `option` or `no-text`. */
export function createEnding(
  model: Model,
  ids: readonly number[],
  { maxTokens, stop = [] }: Pick<GenerateOptions, "maxTokens" | "stop">,
): Ending {
  const most = stepsAtMost(maxTokens);
  const out = textOf(model, ids, stop);
  const before = ids.length; // now: the caller's list may grow
  let steps = 0;
  return {
    push: (id) => {
      steps++;
      const ended = model.eos.includes(id);
      const { text, stopped } = ended ? { text: "", stopped: false } : out.push(id);
      if (stopped) return { text, stop: "stop" };
      // The last id is not run, so the context may be full before it.
      const full = before + steps > model.context;
      const reason = ended ? "eos" : steps === most ? "length" : full ? "context" : undefined;
      return reason ? { text: text + out.end(), stop: reason } : { text };
    },
  };
}

interface TextOut {
  readonly push: (id: number) => { readonly text: string; readonly stopped: boolean };
  readonly end: () => string;
}

/** The text that follows `ids`; empty for a model without text. */
function textOf(model: Model, ids: readonly number[], stops: readonly string[]): TextOut {
  if (!model.tokenizer && stops.length === 0) return { push: () => ({ text: "", stopped: false }), end: () => "" };
  const stream = requireTokenizer(model).stream();
  for (const id of ids) stream.push(id);
  const stop = stopAt(stops);
  return { push: (id) => stop.push(stream.push(id)), end: () => stop.push(stream.end()).text + stop.end() };
}

function stepsAtMost(maxTokens: number | undefined): number {
  if (maxTokens === undefined) return Number.POSITIVE_INFINITY;
  if (Number.isSafeInteger(maxTokens) && maxTokens >= 1) return maxTokens;
  throw new RuntimeError("option", `maxTokens is ${maxTokens}; it is a whole number of 1 or more`);
}

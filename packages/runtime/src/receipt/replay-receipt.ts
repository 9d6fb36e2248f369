/** Replays a receipt: is what it claims what this artifact computes, and if not, where is the first difference? */
import { takeTurn, toHex } from "@s7l/format";
import type { Logits } from "../engine.ts";
import { RuntimeError } from "../errors.ts";
import { createEnding } from "../generation/generate.ts";
import { createSampler } from "../generation/sampler.ts";
import type { Model } from "../model.ts";
import { STX } from "../session/gate.ts";
import { openSession } from "../session/session.ts";
import { createLogitsDigest } from "./logits-digest.ts";
import { endLink, headLink, promptLink, type Receipt, shortLink, stepLink } from "./receipt.ts";

/** What a receipt is found to differ in. */
export type Difference =
  | "root" // it is of another artifact
  | "abi" // it was computed with other numerics
  | "head" // root, numerics or sampling parameters are not those that its chain begins with
  | "prompt" // an id of the prompt is not the one in the chain, or none of the model's
  | "id" // a generated id is not the one in the chain, which is what the model computes
  | "logits" // the integer logits differ, so prompt, weights or engine do
  | "choice" // these logits and parameters choose another id
  | "end" // it ends elsewhere, or for another reason
  | "digest"; // a digest over the whole differs, where all that it stands for agrees

/** The verdict on a receipt. */
export type Replay =
  | { readonly ok: true; readonly positions: number }
  | {
      readonly ok: false;
      readonly what: Difference;
      /** Where: counted from the first id of the prompt; absent where it is about the whole. */
      readonly position?: number;
      /** One sentence. */
      readonly message: string;
    };

export interface ReplayOptions {
  /** Positions a call, 1 or more; it changes no bit. Default 32. */
  readonly chunk?: number;
  /** Checked between calls; its reason is thrown. */
  readonly signal?: AbortSignal;
  /** Called after each call. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Logits of a chunk are kept together. */
const CHUNK = 32;

/**
 * Runs prompt and outputs as they are claimed, all positions known beforehand, and at each holds digest, choice and end to the receipt. It
 * stops at the first difference; of a receipt of another artifact it says where the two part. Throws RuntimeError `option` for a chunk or
 * for sampling parameters that no sampler takes, and what a session throws.
 */
export async function replayReceipt(model: Model, receipt: Receipt, options: ReplayOptions = {}): Promise<Replay> {
  const stranger = strangerOf(model, receipt);
  if (!stranger) return replayPositions(model, receipt, options);
  const position = await partingOf(model, receipt, options);
  const where = position === undefined ? "" : "; this is the first position at which they part";
  return differs(stranger.what, position, `${stranger.message}${where}`);
}

/** Where a receipt of another artifact first differs, if that can be said: this one may have no text to stop at. */
async function partingOf(model: Model, receipt: Receipt, options: ReplayOptions): Promise<number | undefined> {
  try {
    const found = await replayPositions(model, receipt, options);
    return found.ok ? undefined : found.position;
  } catch (error) {
    if (error instanceof RuntimeError && error.code === "no-text") return undefined;
    throw error;
  }
}

/** What a receipt is bound to, where that is not this artifact. */
function strangerOf({ artifact: { root, gate } }: Model, receipt: Receipt) {
  if (receipt.root !== toHex(root)) {
    const message = `the receipt is of the artifact ${receipt.root}, this one is ${toHex(root)}`;
    return { what: "root", message } as const;
  }
  if (receipt.abi !== toHex(gate.abiHash)) {
    const message = `the receipt has the numerics ${receipt.abi}, the artifact ${toHex(gate.abiHash)}`;
    return { what: "abi", message } as const;
  }
  return undefined;
}

async function replayPositions(model: Model, receipt: Receipt, options: ReplayOptions): Promise<Replay> {
  const { chunk = CHUNK, signal, onProgress } = options;
  if (!(Number.isSafeInteger(chunk) && chunk >= 1))
    throw new RuntimeError("option", `chunk is ${chunk}; it is a whole number of 1 or more`);
  const { prompt, ids } = receipt;
  const claim = holdHead(model, receipt);
  if ("ok" in claim) return claim;
  const check = createCheck(model, receipt, claim.link);

  // What cannot be run is never reached: the model chooses no such id, and ends where its context does.
  const all = [...prompt, ...ids.slice(0, -1)];
  const stray = all.findIndex((id) => id >= model.vocab);
  const runnable = all.slice(0, Math.min(stray < 0 ? all.length : stray, model.context));
  const session = openSession(model);
  try {
    const body = session.begin(STX);
    // Before the last id of the prompt nobody looks at logits.
    const silent = prompt.length - 1;
    for (let at = 0; at < runnable.length; ) {
      await takeTurn(signal);
      const to = Math.min(runnable.length, at + chunk, at < silent ? silent : runnable.length);
      const logits = await body.forward(runnable.slice(at, to), at < silent ? "last" : "all");
      for (let position = at; at >= silent && position < to; position++) {
        const difference = check(rowOf(logits, position - at), position - silent);
        if (difference) return difference;
      }
      at = to;
      onProgress?.(at, runnable.length);
    }
  } finally {
    session.close();
  }
  if (runnable.length < all.length)
    return differs("end", runnable.length, "the receipt goes on where the model cannot");
  return { ok: true, positions: all.length + 1 };
}

/** The chain as far as nothing has to be run for it. */
function holdHead(model: Model, receipt: Receipt): Replay | { readonly link: Uint8Array } {
  const { prompt, links } = receipt;
  let link = headLink(receipt);
  if (shortLink(link) !== links[0])
    return differs("head", undefined, "the sampling parameters are not those that the receipt was made with");
  if (prompt.length > model.context)
    return differs(
      "prompt",
      model.context,
      `the prompt has ${prompt.length} ids, the model's context ${model.context}`,
    );
  for (const [position, id] of prompt.entries()) {
    link = promptLink(link, id);
    if (id >= model.vocab) return differs("prompt", position, `the prompt's id ${id} is not one of the model's`);
    if (shortLink(link) !== links[position + 1])
      return differs("prompt", position, `the prompt's id ${id} is not the one that the receipt was made with`);
  }
  return { link };
}

/** Holds one generated position after another to the receipt; `step` counts from 0. */
function createCheck(model: Model, receipt: Receipt, promptEnd: Uint8Array) {
  const { prompt, ids, links, ended, sampling } = receipt;
  const { seed, stop, maxTokens, ...rest } = sampling;
  const sampler = createSampler({ ...rest, seed: BigInt(seed) });
  const ending = createEnding(model, prompt, { stop, ...(maxTokens === undefined ? {} : { maxTokens }) });
  const digest = createLogitsDigest();
  const context = [...prompt];
  let link = promptEnd;

  return (logits: Logits, step: number): Replay | undefined => {
    const position = prompt.length + step;
    const claimed = ids[step] ?? 0;
    const chosen = sampler.choose(logits, context);
    const logitsDigest = digest.update(logits);
    const kept = links[position + 1];
    const before = link;
    link = stepLink(before, claimed, logitsDigest);
    if (shortLink(link) !== kept) {
      const meant = shortLink(stepLink(before, chosen, logitsDigest)) === kept;
      return meant
        ? differs(
            "id",
            position,
            `the receipt says id ${claimed}, the model says ${chosen}, and so does the receipt's own chain`,
          )
        : differs(
            "logits",
            position,
            `the integer logits that id ${claimed} was chosen from are not those of the receipt`,
          );
    }
    if (chosen !== claimed)
      return differs(
        "choice",
        position,
        `the parameters choose id ${chosen} from these logits, the receipt says ${claimed}`,
      );
    context.push(claimed);
    const { stop } = ending.push(claimed);
    const last = step === ids.length - 1;
    if (last ? stop !== ended : stop !== undefined) {
      const should = stop === undefined ? "goes on" : `ends (${stop})`;
      return differs(
        "end",
        position,
        `the generation ${should} here; the receipt ${last ? `ends (${ended})` : "goes on"}`,
      );
    }
    if (last && (toHex(logitsDigest) !== receipt.logitsDigest || toHex(endLink(link, ended)) !== receipt.digest))
      return differs("digest", position, "a digest of the whole is not the one that follows from the positions");
    return undefined;
  };
}

const rowOf = ({ vocab, mantissas, exponents }: Logits, row: number): Logits => ({
  vocab,
  mantissas: mantissas.subarray(row * vocab, (row + 1) * vocab),
  exponents: exponents.subarray(row, row + 1),
});

function differs(what: Difference, position: number | undefined, message: string): Replay {
  return { ok: false, what, ...(position === undefined ? {} : { position }), message };
}

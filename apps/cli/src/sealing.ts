/**
 * From weights to a file: sealed under a temporary name, its golden prompts run by the runtime, then put under its final name. The
 * one place where pack, verify and runtime meet.
 */
import { stat } from "node:fs/promises";
import { type ByteSource, spanLayout, tensorPlan, type WeightSource } from "@s7l/format";
import { createFileSink } from "@s7l/format/file";
import { type GoldenCallback, type Seal, seal } from "@s7l/pack";
import { goldenPrompts, replayGolden } from "@s7l/runtime";
import { type Verification, verify } from "@s7l/verify";
import { CliError } from "./errors.ts";
import type { Context } from "./verb.ts";

type Watch = Pick<Context<unknown>, "progress" | "signal">;

/** A sealed file, and what verifying it said, where that was asked for. */
export interface SealedFile extends Seal {
  /** Golden prompts sealed with their digests. */
  readonly prompts: number;
  readonly verification: Verification | undefined;
}

/**
 * Seals weights into the file `out`, which appears whole or not at all. With `check` the finished artifact is verified by every
 * rule, golden prompts included, before it gets its name.
 */
export async function sealArtifact(
  weights: WeightSource,
  out: string,
  { progress, signal, check, step }: Watch & { readonly check: boolean; readonly step: string },
): Promise<SealedFile> {
  if (await isFolder(out)) throw new CliError("io", `${out} is a folder; give the name of a file`, out);
  const sink = await createFileSink(out);
  try {
    const prompts = goldenPrompts(weights);
    const sealed = await seal(weights, sink, {
      prompts,
      golden: goldenOf({ progress, signal }),
      onProgress: (done, total) => progress.show(step, done, total),
      signal,
    });
    const source = { size: sealed.size, read: sink.read };
    const verification = check ? await verifyWhole(source, { progress, signal }) : undefined;
    if (verification && !verification.ok)
      throw new CliError("refused", `what was sealed does not verify: ${brokenRule(verification)}`);
    signal.throwIfAborted();
    await sink.commit();
    return { ...sealed, prompts: prompts.length, verification };
  } finally {
    progress.clear();
    await sink.abort();
  }
}

/** Every rule, with the golden prompts replayed. */
export function verifyWhole(source: ByteSource, { progress, signal }: Watch): Promise<Verification> {
  return verify(source, {
    replay: (artifact, prompts) => replayGolden(artifact, prompts, { signal }),
    onProgress: ({ chunks, total }) => progress.show("verify", chunks, total, "chunks"),
    signal,
  });
}

/** The draft is verified before it runs, like any artifact; that its digests are still zero (V6) is what a draft is. */
function goldenOf({ progress, signal }: Watch): GoldenCallback {
  return async (draft, prompts) => {
    let digests: readonly Uint8Array[] | undefined;
    const verification = await verify(draft, {
      replay: async (artifact) => {
        digests = await replayGolden(artifact, prompts, { signal });
        return digests;
      },
      onProgress: ({ chunks, total }) => progress.show("check the draft", chunks, total, "chunks"),
      signal,
    });
    if (!digests) throw new CliError("refused", `the draft does not verify: ${brokenRule(verification)}`);
    return digests;
  };
}

/** The rule that is broken, with why, code and place. */
export function brokenRule({ rules }: Verification): string {
  const broken = rules.find((rule) => !rule.ok && rule.code !== "not-reached");
  if (!broken || broken.ok) return "no rule was reached";
  const { id, message, code, at } = broken;
  return `${id}, ${message} [${code}${at === undefined || message.includes(at) ? "" : ` at ${at}`}]`;
}

/** Weights that say how much of them was read, and that stop on an abort. */
export function watched(weights: WeightSource, step: string, { progress, signal }: Watch): WeightSource {
  const total = tensorPlan(weights.fold).reduce((sum, tensor) => sum + spanLayout(tensor).size, 0);
  let done = 0;
  return {
    ...weights,
    span: async function* (tensor) {
      for await (const piece of weights.span(tensor)) {
        signal.throwIfAborted();
        done += piece.length;
        progress.show(step, done, total);
        yield piece;
      }
    },
  };
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

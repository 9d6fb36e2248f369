/**
 * From weights to a file: sealed under a temporary name, its golden prompts run by the runtime, then put under its final name. The
 * one place where pack, verify and runtime meet.
 */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import type { ByteSource, WeightSource } from "@s7l/format";
import type { GoldenCallback, Prompts, Seal } from "@s7l/pack";
import { type FinishOptions, mergeShards, sealFile } from "@s7l/pack/file";
import { type GoldenReplayOptions, goldenPrompts, replayGolden } from "@s7l/runtime";
import type { Replay, Verification, VerifiedArtifact } from "@s7l/verify";
import { verifyOnThreads } from "@s7l/verify/threads";
import { CliError } from "./errors.ts";
import { isArtifactFile } from "./source.ts";
import { threadsToVerify } from "./threads.ts";
import type { Context } from "./verb.ts";
import { beyondLogits } from "./vocabulary.ts";

type Watch = Pick<Context<unknown>, "progress" | "signal"> & Pick<SealSettings, "threads">;

/** A sealed file, and what verifying it said, where that was asked for. */
export interface SealedFile extends Seal {
  /** Golden prompts sealed with their digests. */
  readonly prompts: number;
  /** What people should know of the model, in sentences; they have been told. */
  readonly notes: readonly string[];
  readonly verification: Verification | undefined;
}

/** How weights become a file. */
export interface SealSettings extends Pick<Context<unknown>, "progress" | "signal" | "report"> {
  /** Verifies the finished artifact by every rule, its golden digests held to the draft's, before it gets its name. */
  readonly check: boolean;
  /** What progress calls it. */
  readonly step: string;
  /** What the weights are read from, as a hash: a run that was interrupted is gone on with only from the same. */
  readonly source?: Uint8Array;
  /** Tensors in flight. */
  readonly concurrency?: number;
  /** Threads that verify. Default: as many as the artifact is worth. */
  readonly threads?: number | undefined;
  /** Milliseconds between two notes of what is finished. */
  readonly saveEvery?: number | undefined;
  /** The last thing before the artifact gets its name; what it throws refuses it. */
  readonly assertUnchanged?: () => Promise<void>;
}

/**
 * Seals weights into the file `out`, which appears whole or not at all. A run that was killed after some seconds left `out`.parts,
 * from which the next one goes on.
 */
export async function sealArtifact(weights: WeightSource, out: string, settings: SealSettings): Promise<SealedFile> {
  await assertNoStranger(out);
  const { progress, step, signal, source, concurrency, saveEvery } = settings;
  const { finish, ending } = ends(weights, settings);
  try {
    const sealed = await sealFile(weights, out, {
      ...ending,
      onProgress: (done, total) => progress.show(step, done, total),
      signal,
      ...(source ? { source } : {}),
      ...(concurrency === undefined ? {} : { concurrency }),
      ...(saveEvery === undefined ? {} : { saveEvery }),
    });
    return finish(sealed);
  } catch (error) {
    progress.clear();
    if (existsSync(`${out}.parts`))
      settings.report.note(`what is finished lies in ${out}.parts; the same command goes on from there`);
    throw error;
  } finally {
    progress.clear();
  }
}

/** Merges the parts in `out`.parts into `out`. */
export async function mergeArtifact(weights: WeightSource, out: string, settings: SealSettings): Promise<SealedFile> {
  await assertNoStranger(out);
  const { progress, step, signal, source } = settings;
  const { finish, ending } = ends(weights, settings);
  try {
    const sealed = await mergeShards(weights, out, {
      ...ending,
      onProgress: (done, total) => progress.show(step, done, total),
      signal,
      ...(source ? { source } : {}),
    });
    return finish(sealed);
  } finally {
    progress.clear();
  }
}

/** The end of a seal: goldens from the runtime, and the check before the name. */
function ends(weights: WeightSource, { report, progress, signal, threads, check, assertUnchanged }: SealSettings) {
  const prompts = goldenPrompts(weights);
  const notes = [...(weights.meta.notes ?? []), ...[beyondLogits(weights) ?? []].flat()];
  for (const note of notes) report.note(note);
  const verifications: Verification[] = [];
  const { golden, replay } = goldenOf({ progress, signal, threads });
  const ending: FinishOptions & { readonly prompts: Prompts } = {
    prompts,
    golden,
    accept: async (artifact) => {
      if (check) {
        const verification = await verifyWhole(artifact, { progress, signal, threads }, replay);
        if (!verification.ok)
          throw new CliError("refused", `what was sealed does not verify: ${brokenRule(verification)}`);
        verifications.push(verification);
      }
      await assertUnchanged?.();
      signal.throwIfAborted();
    },
  };
  const finish = (sealed: Seal): SealedFile => ({
    ...sealed,
    prompts: prompts.length,
    notes,
    verification: verifications[0],
  });
  return { ending, finish };
}

/** Every rule, with the golden prompts replayed, or their digests held to a run of the same computation. */
export function verifyWhole(
  source: ByteSource,
  { progress, signal, threads }: Watch,
  replay: Replay = (artifact, prompts) => replayGolden(artifact, prompts, watched({ progress, signal })),
): Promise<Verification> {
  return verifyOnThreads(source, {
    threads: threadsToVerify(source.size, threads),
    replay,
    onProgress: ({ chunks, total }) => progress.show("verify", chunks, total, "chunks"),
    signal,
  });
}

/**
 * How a draft gets its digests, and how those of the finished artifact are checked. The draft is verified before it runs, like any
 * artifact; that its digests are still zero (V6) is what a draft is. What computes as it did needs no second run.
 */
function goldenOf({ progress, signal, threads }: Watch): { readonly golden: GoldenCallback; readonly replay: Replay } {
  let ran: { readonly draft: VerifiedArtifact; readonly digests: readonly Uint8Array[] } | undefined;
  const golden: GoldenCallback = async (source, prompts) => {
    const verification = await verifyOnThreads(source, {
      threads: threadsToVerify(source.size, threads),
      replay: async (draft) => {
        const digests = await replayGolden(draft, prompts, watched({ progress, signal }));
        ran = { draft, digests };
        return digests;
      },
      onProgress: ({ chunks, total }) => progress.show("check the draft", chunks, total, "chunks"),
      signal,
    });
    if (!ran) throw new CliError("refused", `the draft does not verify: ${brokenRule(verification)}`);
    return ran.digests;
  };
  const replay: Replay = async (artifact, prompts) =>
    ran && computeAlike(ran.draft, artifact)
      ? ran.digests
      : replayGolden(artifact, prompts, watched({ progress, signal }));
  return { golden, replay };
}

/** A run of the golden prompts that the signal stops and that shows how far it is. */
function watched({ progress, signal }: Omit<Watch, "threads">): GoldenReplayOptions {
  return { signal, onProgress: (done, total) => progress.show("run the golden prompts", done, total) };
}

/** Whether two artifacts give the same logits for the same ids: one program, routed by the same texts, over the same weights, which D commits to. */
export function computeAlike(one: VerifiedArtifact, other: VerifiedArtifact): boolean {
  const computation = ({ header, fold, lexical, vocabulary, abi, golden }: VerifiedArtifact): unknown => [
    header.dataRoot,
    fold,
    lexical,
    vocabulary,
    abi,
    golden.map(({ ids }) => ids),
  ];
  return isDeepStrictEqual(computation(one), computation(other));
}

/** The rule that is broken, with why, code and place. */
export function brokenRule({ broken }: Verification): string {
  if (!broken) return "no rule was reached";
  const { id, message, code, at } = broken;
  return `${id}, ${message} [${code}${at === undefined || message.includes(at) ? "" : ` at ${at}`}]`;
}

/** Weights whose reading stops on an abort, also in the middle of a large tensor. */
export function interruptible(weights: WeightSource, signal: AbortSignal): WeightSource {
  const { writeSpan } = weights;
  return {
    ...weights,
    ...(writeSpan ? { writeSpan: (tensor, place) => writeSpan(tensor, place, signal) } : {}),
    span: async function* (tensor) {
      for await (const piece of weights.span(tensor)) {
        signal.throwIfAborted();
        yield piece;
      }
    },
  };
}

/** What may stand under the name of an artifact to be: nothing, or an artifact. Anything else is somebody's, and is not lost to a slip. */
async function assertNoStranger(out: string): Promise<void> {
  const found = await stat(out).catch(() => undefined);
  if (found?.isFile() && !(await isArtifactFile(out)))
    throw new CliError("io", `${out} is there already and is no artifact; remove it, or give another name`, out);
}

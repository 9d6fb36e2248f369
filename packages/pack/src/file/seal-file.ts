/** Seals into a file, and goes on where an earlier run was killed. */
import { type ByteSource, storeSource, type WeightSource } from "@s7l/format";
import { openFileSource } from "@s7l/format/file";
import { type SealedTensor, type WriteOptions, writeTensors } from "../data.ts";
import { finishSeal, type GoldenCallback, type Seal } from "../finish.ts";
import { type PlanOptions, planSeal, type SealPlan } from "../plan.ts";
import type { Shard } from "../shard.ts";
import { PartFile } from "./part-file.ts";
import { findSealed, removePlan } from "./parts-folder.ts";

/** How a part is written. */
export interface PartOptions extends PlanOptions, WriteOptions {
  /** Milliseconds between two records of what is finished; what a kill may cost. Default 5000. */
  readonly saveEvery?: number;
}

/** How parts become an artifact. */
export interface FinishOptions {
  readonly golden: GoldenCallback;
  /** Looks at the whole artifact before it gets its name; what it throws refuses it. */
  readonly accept?: (artifact: ByteSource) => Promise<void>;
}

/**
 * Seals weights into a file, which appears under its name whole, read-only, or not at all. While it is written it lies in
 * `PATH.parts`; a run that was interrupted is taken up from there, byte for byte. Throws PackError or FormatError; what stood
 * under the name before then stands there still.
 */
export async function sealFile(
  weights: WeightSource,
  path: string,
  options: PartOptions & FinishOptions,
): Promise<Seal> {
  const plan = planSeal(weights, options);
  const done = await finishedBefore(plan, path, options);
  if (done) return done;
  const part = await PartFile.open(plan, { number: 1, of: 1 }, path, options.saveEvery);
  try {
    await fillPart(part, weights, options);
    const sealed = part.tensors.flatMap((tensor) => part.finished(tensor) ?? []);
    return await finishPart(part, sealed, options);
  } finally {
    await part.suspend();
  }
}

/** What a worker did. */
export interface SealedShard {
  readonly shard: Shard;
  /** Tensors of the shard, and how many of them an earlier run had finished. */
  readonly tensors: number;
  readonly resumed: number;
  /** Bytes of its part of DATA. */
  readonly size: number;
}

/**
 * Writes one shard of an artifact to its part in `PATH.parts`, on a folder that all workers share; `mergeShards` makes the artifact.
 * Throws PackError `part` where what an earlier run left is torn.
 */
export async function sealShard(
  weights: WeightSource,
  path: string,
  { shard, ...options }: PartOptions & { readonly shard: Shard },
): Promise<SealedShard> {
  const part = await PartFile.open(planSeal(weights, options), shard, path, options.saveEvery);
  try {
    const resumed = await fillPart(part, weights, options);
    await part.save();
    const size = part.tensors.reduce((sum, { length }) => sum + length, 0);
    return { shard, tensors: part.tensors.length, resumed, size };
  } finally {
    await part.suspend();
  }
}

/** Writes what is not finished of a part; gives the number of tensors that were. */
async function fillPart(part: PartFile, weights: WeightSource, options: PartOptions): Promise<number> {
  await part.recheck(options.signal);
  const missing = part.tensors.filter((tensor) => !part.finished(tensor));
  const resumed = part.tensors.length - missing.length;
  const total = part.tensors.reduce((sum, { length }) => sum + length, 0);
  const before = total - missing.reduce((sum, { length }) => sum + length, 0);
  await writeTensors(part.plan, weights, missing, part.store, {
    ...options,
    base: part.base,
    onSealed: (tensor) => part.add(tensor),
    onProgress: (done) => options.onProgress?.(before + done, total),
  });
  return resumed;
}

/** The seal that an earlier run finished but for removing its parts, which is done now; undefined where there is none. */
export async function finishedBefore(
  plan: SealPlan,
  path: string,
  { accept }: FinishOptions,
): Promise<Seal | undefined> {
  const seal = await findSealed(plan, path);
  if (!seal) return undefined;
  // First: should the artifact be refused now, the next run makes it anew.
  await removePlan(plan, path);
  const source = await openFileSource(path);
  try {
    await accept?.(source);
  } finally {
    await source.close();
  }
  return seal;
}

/** Finishes an artifact in the store of its first part, which has room for what stands before DATA. */
export async function finishPart(
  part: PartFile,
  sealed: readonly SealedTensor[],
  { golden, accept }: FinishOptions,
): Promise<Seal> {
  const { plan, store } = part;
  const seal = await finishSeal(plan, sealed, store, golden);
  await accept?.(storeSource(store, seal.size));
  await part.commit(seal);
  return seal;
}

/** Shards of a seal: worker K of N writes the tensors of its own stretch of DATA. */
import type { PlacedTensor } from "@s7l/format";
import { PackError } from "./errors.ts";
import type { SealPlan } from "./plan.ts";

/** One worker's share, number 1 to `of`. */
export interface Shard {
  readonly number: number;
  readonly of: number;
}

/** Shards of one artifact: more than the hosts of any cluster. */
export const MAX_SHARDS = 1 << 16;

/**
 * Reads `3/8`, or `/8` whose number the environment gives as an array job sets it: Slurm (SLURM_ARRAY_TASK_ID, whatever the
 * array's first id and step), Kubernetes (JOB_COMPLETION_INDEX) or AWS Batch (AWS_BATCH_JOB_ARRAY_INDEX). Throws PackError `shard`.
 */
export function parseShard(text: string, environment: Readonly<Record<string, string | undefined>> = {}): Shard {
  const match = /^(\d{0,6})\/(\d{1,6})$/.exec(text);
  if (!match) refuse(`a shard is written K/N, such as 3/8, or /8 inside an array job; found ${JSON.stringify(text)}`);
  const of = Number(match[2]);
  const number = match[1] ? Number(match[1]) : numberFrom(environment);
  if (of < 1 || of > MAX_SHARDS) refuse(`${of} shards; 1 to ${MAX_SHARDS} are allowed`);
  if (!Number.isInteger(number) || number < 1 || number > of)
    refuse(`there is no shard ${number} of ${of}; shards count from 1`);
  return { number, of };
}

function numberFrom(environment: Readonly<Record<string, string | undefined>>): number {
  const read = (name: string): number | undefined => {
    const value = environment[name];
    if (value === undefined) return undefined;
    return /^\d{1,9}$/.test(value) ? Number(value) : refuse(`${name} is ${JSON.stringify(value)}, which is no number`);
  };
  const slurm = read("SLURM_ARRAY_TASK_ID");
  if (slurm !== undefined)
    return 1 + (slurm - (read("SLURM_ARRAY_TASK_MIN") ?? 1)) / (read("SLURM_ARRAY_TASK_STEP") || 1);
  const index = read("JOB_COMPLETION_INDEX") ?? read("AWS_BATCH_JOB_ARRAY_INDEX");
  if (index !== undefined) return 1 + index;
  return refuse(
    "the number of the shard is missing: write K/N, or run in an array job that sets SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX or AWS_BATCH_JOB_ARRAY_INDEX",
  );
}

function refuse(message: string): never {
  throw new PackError("shard", message);
}

/**
 * The tensors of a shard: those whose middle lies in its N-th of DATA. Each tensor is in exactly one shard, those of one shard lie
 * together, and a shard may have none.
 */
export function tensorsOfShard({ data }: SealPlan, { number, of }: Shard): readonly PlacedTensor[] {
  const shardAt = ({ offset, length }: PlacedTensor): number =>
    Math.min(of, Math.floor(((offset + length / 2) / data.size) * of) + 1);
  return data.tensors.filter((tensor) => shardAt(tensor) === number);
}

/** Offset in the artifact where a shard's part begins. The first one has room for all that stands before DATA. */
export function baseOfShard(plan: SealPlan, shard: Shard): number {
  const [first] = tensorsOfShard(plan, shard);
  return shard.number === 1 ? 0 : plan.dataOffset + (first?.offset ?? 0);
}

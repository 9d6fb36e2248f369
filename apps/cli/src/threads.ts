/** What the verbs that quantize have in common: threads, and notes of what is finished. */
import { availableParallelism } from "node:os";
import {
  type Checkpoint,
  type CheckpointPath,
  openCheckpoint,
  type QuantizedWeights,
  quantize,
  quantizeOnThreads,
} from "@s7l/quantize";
import { BYTES_A_THREAD } from "@s7l/verify/threads";

/** How many threads. */
export const THREADS = {
  type: "integer",
  min: 1,
  max: 256,
  hint: "N",
  description:
    "threads that quantize; the bytes are the same for any number (default: one a core, fewer for a small model)",
} as const;

/** How often a run notes what it has finished. */
export const SAVE_EVERY = {
  type: "integer",
  min: 0,
  max: 3600,
  hint: "SECONDS",
  description: "between two notes of what is finished, from which a run that was killed is gone on with (default: 5)",
} as const;

/** Bytes of weights that take longer to quantize than a thread takes to start. */
const WORTH_A_THREAD = 128 * 2 ** 20;
/** More threads than this wait for most disks. */
const MOST_UNASKED = 8;

/** Threads that verify so many bytes of an artifact: as many as were asked for, or as it is worth. */
export const threadsToVerify = (size: number, asked?: number): number =>
  asked ?? Math.min(availableParallelism(), Math.ceil(size / BYTES_A_THREAD));

/** A checkpoint's weights, and how many of their spans are best read at once. Close it when done. */
export interface OpenedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly weights: QuantizedWeights;
  readonly concurrency: number;
  close(): Promise<void>;
}

/** Opens a checkpoint and quantizes it on as many threads as were asked for, or as it is worth. */
export async function openQuantized(path: CheckpointPath, asked?: number): Promise<OpenedCheckpoint> {
  const checkpoint = await openCheckpoint(path);
  try {
    const worth = Math.min(availableParallelism(), MOST_UNASKED, Math.ceil(bytesOf(checkpoint) / WORTH_A_THREAD));
    const threads = asked ?? worth;
    // A thread that waits for nobody is worth having even where there is but one.
    if (threads <= 1 && bytesOf(checkpoint) <= WORTH_A_THREAD)
      return { checkpoint, weights: quantize(checkpoint), concurrency: 1, close: checkpoint.close };
    const weights = quantizeOnThreads(checkpoint, threads);
    const close = async (): Promise<void> => {
      await weights.close();
      await checkpoint.close();
    };
    return { checkpoint, weights, concurrency: 2 * threads + 1, close };
  } catch (error) {
    // What the headers show was refused.
    await checkpoint.close();
    throw error;
  }
}

const bytesOf = ({ tensors }: Checkpoint): number => [...tensors.values()].reduce((sum, { length }) => sum + length, 0);

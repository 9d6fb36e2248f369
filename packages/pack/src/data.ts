/**
 * DATA: each tensor's span is written where the layout puts it, while its chunks are hashed to leaves, here or by the thread that makes
 * it. Memory is one chunk hash and the piece in flight; the leaves are 32 bytes a chunk.
 */
import {
  type ByteSink,
  FormatError,
  largestFirst,
  type PlacedTensor,
  startSpanSeal,
  type WeightSource,
  workInLanes,
} from "@s7l/format";
import { PackError } from "./errors.ts";
import type { SealPlan } from "./plan.ts";

/** What is left of a tensor once it is written: all that the metadata needs of it. */
export interface SealedTensor {
  readonly name: string;
  /** SHA-256 of the source bytes, as the weights gave it. */
  readonly source: Uint8Array;
  /** Chunk leaves in order, 32 bytes each. One array, because a large model has a million. */
  readonly leaves: Uint8Array;
}

export interface WriteOptions {
  /** Tensors in flight. Weights that are made elsewhere (threads, a network) come faster with more; the bytes are the same. Default 1. */
  readonly concurrency?: number;
  /** Called after each tensor, with bytes of DATA. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Where tensors are written, besides the store. */
export interface WritePlace {
  /** Offset in the artifact of the store's first byte; default 0. */
  readonly base?: number;
  /** Called after each tensor, one call at a time. */
  readonly onSealed?: (tensor: SealedTensor) => Promise<void>;
}

/**
 * Writes some tensors of a plan, each where the plan puts it. Gives them in the order of `tensors`, in whichever order they were
 * finished. Throws PackError `weights` where their bytes break a rule of the format.
 */
export async function writeTensors(
  plan: SealPlan,
  weights: WeightSource,
  tensors: readonly PlacedTensor[],
  sink: ByteSink,
  { concurrency = 1, onProgress, signal, base = 0, onSealed }: WriteOptions & WritePlace,
): Promise<readonly SealedTensor[]> {
  const sealed = new Map<string, SealedTensor>();
  const total = tensors.reduce((sum, { length }) => sum + length, 0);
  let done = 0;
  let turn = Promise.resolve();
  await workInLanes(largestFirst(tensors, concurrency), concurrency, async (tensor) => {
    signal?.throwIfAborted();
    const written = await writeTensor(weights, tensor, sink, plan.dataOffset - base, 2 ** plan.chunkLog2, signal);
    sealed.set(tensor.name, written);
    done += tensor.length;
    onProgress?.(done, total);
    turn = turn.then(() => onSealed?.(written));
    await turn;
  });
  return tensors.flatMap(({ name }) => sealed.get(name) ?? []);
}

/** Writes one tensor. Throws PackError `weights` where its bytes break a rule of the format. */
async function writeTensor(
  weights: WeightSource,
  tensor: PlacedTensor,
  sink: ByteSink,
  dataOffset: number,
  chunk: number,
  signal: AbortSignal | undefined,
): Promise<SealedTensor> {
  const start = dataOffset + tensor.offset;
  const sealed = (leaves: Uint8Array): SealedTensor => ({
    name: tensor.name,
    source: weights.sourceDigest(tensor),
    leaves,
  });
  const { direct } = sink;
  if (direct && weights.writeSpan) {
    const { path, descriptor } = direct;
    const place = { path, descriptor, offset: start, chunkSize: chunk };
    const leaves = await weights.writeSpan(tensor, place, signal)?.catch(refuseContent);
    if (leaves) {
      direct.written(start, tensor.length);
      return sealed(leaves);
    }
  }
  const seal = startSpanSeal(tensor, chunk);
  let offset = start;
  for await (const piece of weights.span(tensor)) {
    // What breaks a rule is not written: behind the span lies another tensor's.
    checked(() => seal.check(piece));
    // The write is under way while this thread hashes; the piece stays untouched until both are done.
    const written = sink.write(offset, piece);
    seal.hash(piece);
    await written;
    offset += piece.length;
  }
  return sealed(checked(() => seal.finish()));
}

function checked<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    return refuseContent(error);
  }
}

/** Bytes that break a rule are the weights' fault. */
function refuseContent(error: unknown): never {
  if (!(error instanceof FormatError) || error.code !== "content") throw error;
  throw new PackError("weights", error.message, error.at, { cause: error });
}

/**
 * What a thread of a verification does: it is told of tensors and says how many of them hold. It reads the bytes that it shares with the
 * others for itself. What goes wrong it leaves to who asked, who checks again and says what it was.
 */
import { openShared, type SharedBytes } from "@s7l/format";
import type { SealedTensor } from "../artifact.ts";
import { chunkBuffers } from "../chunk-buffers.ts";
import { PIECE, readTensor, type TensorPlace } from "../tensor-reader.ts";
import { holds } from "./holds.ts";

/** A tensor to check. */
export interface Work extends SealedTensor {
  /** Shared memory of the span's length, to be read into. What does not hold leaves anything there. */
  readonly target?: Uint8Array;
}

/** How many tensors hold, from the first of the list on: the first that does not ends the count. Undefined: it can check none. */
export type Checker = (tensors: readonly Work[], signal?: AbortSignal) => Promise<number | undefined>;

/** Where the tensors of a verified front lie. */
export type SharedPlace = Omit<TensorPlace, "source" | "cache">;

/** A checker of what is shared. Of a file it never waits: bytes are there when they are asked for. */
export function checkerOf(shared: SharedBytes, placed: SharedPlace): Checker {
  const source = openShared(shared);
  const place: TensorPlace = { ...placed, source };
  const { fill } = source;
  const piece = new Uint8Array(fill ? PIECE : 0);
  const buffers = chunkBuffers(place.chunkSize);
  const isSound = async ({ tensor, record, target }: Work, signal: AbortSignal | undefined): Promise<boolean> => {
    try {
      if (fill) return await holds(place, fill, piece, tensor, record, { signal, target });
      await readTensor(place, tensor, record, target, {
        signal,
        buffers,
        ahead: 1,
        part: undefined,
        onChunk: () => undefined,
      });
      return true;
    } catch {
      return false;
    }
  };
  return async (tensors, signal) => {
    let held = 0;
    for (const sealed of tensors) {
      if (!(await isSound(sealed, signal))) break;
      held++;
    }
    return held;
  };
}

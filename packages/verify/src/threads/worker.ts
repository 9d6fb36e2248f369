/**
 * The thread itself. It reads the bytes that it shares with its parent and checks the tensors it is asked for, against the
 * records that the parent has verified. What goes wrong it leaves to the parent, which checks again. The build makes one script of
 * this file and what it imports (scripts/inline-script.mjs).
 */
import { openShared, type PlacedTensor, type SharedBytes, type TensorRecord, threadPort } from "@s7l/format";
import { type ChunkBuffers, chunkBuffers } from "../chunk-buffers.ts";
import { readTensor, type TensorPlace } from "../tensor-reader.ts";

/** The first question tells where the bytes are; each other one is of a tensor: does it hold? Each is answered with yes or no. */
export type Question =
  | { readonly shared: SharedBytes; readonly place: Omit<TensorPlace, "source" | "cache"> }
  | { readonly tensor: PlacedTensor; readonly record: TensorRecord };

let opened: { readonly place: TensorPlace; readonly buffers: ChunkBuffers } | undefined;

async function answer(question: Question): Promise<boolean> {
  try {
    if ("shared" in question) {
      const { shared, place } = question;
      opened = { place: { ...place, source: openShared(shared) }, buffers: chunkBuffers(place.chunkSize) };
      return true;
    }
    if (!opened) return false;
    const { place, buffers } = opened;
    await readTensor(place, question.tensor, question.record, undefined, {
      buffers,
      ahead: 1,
      onChunk: () => undefined,
    });
    return true;
  } catch {
    return false;
  }
}

const port = threadPort<Question>();
/** Questions are answered in their order, however many have come. */
let answered: Promise<void> = Promise.resolve();
port.onmessage = ({ data }) => {
  answered = answered.then(async () => port.postMessage(await answer(data)));
};

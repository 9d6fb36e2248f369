/**
 * The thread itself. It reads the bytes that it shares with its parent and checks the tensors it is asked for, against the
 * records that the parent has verified. What goes wrong it leaves to the parent, which checks again. The build makes one script of
 * this file and what it imports (scripts/inline-script.mjs).
 */
import { openShared, type PlacedTensor, type SharedBytes, type TensorRecord, threadPort } from "@s7l/format";
import { chunkBuffers } from "../chunk-buffers.ts";
import { PIECE, readTensor, type TensorPlace } from "../tensor-reader.ts";
import { holds } from "./holds.ts";

/** The first question tells where the bytes are; each other one is of a tensor: does it hold? Each is answered with yes or no. */
export type Question =
  | { readonly shared: SharedBytes; readonly place: Omit<TensorPlace, "source" | "cache"> }
  | { readonly tensor: PlacedTensor; readonly record: TensorRecord };

/** Whether a tensor holds. */
type Check = (tensor: PlacedTensor, record: TensorRecord) => Promise<boolean>;

let check: Check | undefined;

async function answer(question: Question): Promise<boolean> {
  try {
    if ("tensor" in question) return (await check?.(question.tensor, question.record)) ?? false;
    check = checkOf(question.shared, question.place);
    return true;
  } catch {
    return false;
  }
}

function checkOf(shared: SharedBytes, placed: Omit<TensorPlace, "source" | "cache">): Check {
  const source = openShared(shared);
  const place = { ...placed, source };
  const { fill } = source;
  if (fill) {
    const piece = new Uint8Array(PIECE);
    return (tensor, record) => holds(place, fill, piece, tensor, record);
  }
  const buffers = chunkBuffers(place.chunkSize);
  return async (tensor, record) => {
    await readTensor(place, tensor, record, undefined, { buffers, ahead: 1, onChunk: () => undefined });
    return true;
  };
}

const port = threadPort<Question>();
/** Questions are answered in their order, however many have come. */
let answered: Promise<void> = Promise.resolve();
port.onmessage = ({ data }) => {
  answered = answered.then(async () => port.postMessage(await answer(data)));
};

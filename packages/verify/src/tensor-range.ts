/** Reads a range of a tensor's span: each chunk that the range touches is used only after its hash is the sealed leaf. */
import { equalBytes, leafHash, type PlacedTensor, readInto, type TensorRecord } from "@s7l/format";
import { ahead } from "./ahead.ts";
import { refuse } from "./errors.ts";
import { attribute } from "./ledger.ts";
import { readLeaves, type TensorPlace } from "./tensor-reader.ts";

/** Chunks under way at a time: one being hashed, one on its way. */
const AHEAD = 2;

/**
 * Fills `target` with a span's bytes from `offset` on; the caller has held the range to the span. What lies inside of the span must
 * have been checked before: the same leaves are the same bytes. On any failure `target` is zeroed.
 */
export async function readRange(
  place: TensorPlace,
  tensor: PlacedTensor,
  record: TensorRecord,
  offset: number,
  target: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await readChunks(place, tensor, record, offset, target, signal);
  } catch (error) {
    target.fill(0);
    throw attribute("V3", error);
  }
}

async function readChunks(
  place: TensorPlace,
  tensor: PlacedTensor,
  record: TensorRecord,
  offset: number,
  target: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (target.length === 0) return;
  const { source, dataOffset, chunkSize } = place;
  const leaves = await readLeaves(place, tensor, record);
  const first = Math.floor(offset / chunkSize);
  const end = Math.ceil((offset + target.length) / chunkSize);
  const chunks = ahead(leaves.slice(first, end).entries(), AHEAD, async ([i, leaf]) => {
    const index = first + i;
    const from = index * chunkSize;
    const length = Math.min(chunkSize, tensor.length - from);
    // A chunk that lies within the range is read into its place; of one that sticks out, the part that is wanted is copied.
    const whole = from >= offset && from + length <= offset + target.length;
    const chunk = whole ? target.subarray(from - offset, from - offset + length) : new Uint8Array(length);
    await readInto(source, dataOffset + tensor.offset + from, chunk);
    return { index, leaf, from, chunk, whole };
  });
  for await (const { index, leaf, from, chunk, whole } of chunks) {
    signal?.throwIfAborted();
    if (!equalBytes(leafHash(chunk), leaf))
      refuse("chunk", `chunk ${index} of tensor "${tensor.name}" does not match its leaf`, `${tensor.name}#${index}`);
    if (whole) continue;
    const begin = Math.max(from, offset);
    target.set(chunk.subarray(begin - from, offset + target.length - from), begin - offset);
  }
}

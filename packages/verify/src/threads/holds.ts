/** Whether a tensor holds, where a thread can wait for its bytes. */
import {
  type ContentScan,
  equalBytes,
  type PlacedTensor,
  scanContent,
  startLeafHash,
  type TensorRecord,
  takeTurn,
} from "@s7l/format";
import { readLeaves, type TensorPlace } from "../tensor-reader.ts";

/** Bytes at an offset of the artifact, there when it returns. */
export type Fill = (offset: number, target: Uint8Array) => void;

/**
 * Reads a tensor's span into `target` or, where there is none, into `piece` over and over, as many bytes at a time as that has, and holds
 * it to its leaves and the rules of its content; throws or says no where it does not hold. A plain loop that lets others have the thread: a thread lives for a few hundred milliseconds, and in
 * `readTensor`, which reads ahead, a tenth of them goes to compiling it.
 */
export async function holds(
  place: TensorPlace,
  fill: Fill,
  piece: Uint8Array,
  tensor: PlacedTensor,
  record: TensorRecord,
  { signal, target }: { readonly signal?: AbortSignal | undefined; readonly target?: Uint8Array | undefined } = {},
): Promise<boolean> {
  const leaves = await readLeaves(place, tensor, record);
  const scan = scanContent(tensor);
  const from = place.dataOffset + tensor.offset;
  for (const [index, leaf] of leaves.entries()) {
    await takeTurn(signal);
    const start = index * place.chunkSize;
    const length = Math.min(place.chunkSize, tensor.length - start);
    const memory = target?.subarray(start, start + length);
    if (!equalBytes(hashChunk(fill, from + start, length, piece, memory, scan), leaf)) return false;
  }
  scan.finish();
  return true;
}

/** The leaf hash of a chunk, scanned on the way; before its hash is known, which is early enough where the answer is yes or no. */
function hashChunk(
  fill: Fill,
  from: number,
  length: number,
  piece: Uint8Array,
  memory: Uint8Array | undefined,
  scan: ContentScan,
): Uint8Array {
  const hash = startLeafHash();
  for (let at = 0; at < length; at += piece.length) {
    const part = memory ? memory.subarray(at, at + piece.length) : piece.subarray(0, length - at);
    fill(from + at, part);
    scan.update(part);
    hash.update(part);
  }
  return hash.digest();
}

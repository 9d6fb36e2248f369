/**
 * Reads tensors chunk by chunk: a chunk is used only after its hash is the sealed leaf, and the leaves of a tensor only
 * after they give its root. Memory is two chunks, or the caller's own.
 */
import {
  type ByteSource,
  type ContentScan,
  equalBytes,
  HASH_SIZE,
  hashesElsewhere,
  leafHashAsync,
  merkleRoot,
  type PlacedTensor,
  scanContent,
  splitLeaves,
  startLeafHash,
  type TensorRecord,
  takeTurn,
} from "@s7l/format";
import { ahead } from "./ahead.ts";
import { type ChunkCache, recall, remember } from "./cache/chunk-cache.ts";
import { type ChunkBuffers, chunkBuffers } from "./chunk-buffers.ts";
import { refuse, VerifyError } from "./errors.ts";
import { attribute } from "./ledger.ts";

/** Chunks under way at a time, by default: one being checked, the others on their way. */
const AHEAD = 3;

/**
 * Bytes that are scanned and then hashed at a time: as many as the second-level cache holds, and enough that calls cost nothing beside
 * them. The scan comes first, as it brings them near faster than the hash, which waits for memory at every page (measured: a quarter
 * longer in all).
 */
export const PIECE = 1 << 19;

/** What the reader needs of the verified front. */
export interface TensorPlace {
  readonly source: ByteSource;
  readonly treeOffset: number;
  readonly dataOffset: number;
  readonly chunkSize: number;
  /** Asked before the source, and given what was verified. */
  readonly cache?: ChunkCache | undefined;
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** At least as long as the tensor's longest chunk; by default it has its own. */
  readonly buffers?: ChunkBuffers;
  /** Chunks under way at a time: 1 where reading is the calling thread's own work. */
  readonly ahead?: number;
  /** A check without a target asks the cache too; by default it wants to know about the source's own bytes. */
  readonly fromCache?: boolean | undefined;
  /** Chunks [from, to) alone, of a tensor whose content keeps the rules: the same leaves are the same bytes. Default: all, and the rules. */
  readonly part?: readonly [from: number, to: number] | undefined;
  /** Called for each chunk that was verified, in order: the index of its leaf, and its bytes, which are lent only for the call. */
  readonly onChunk: (leaf: number, chunk: Uint8Array) => void;
}

/** The sealed leaves of a tensor, proved to give its root T; for callers outside of a ledger. */
export async function readLeaves(
  place: TensorPlace,
  tensor: PlacedTensor,
  record: TensorRecord,
): Promise<readonly Uint8Array[]> {
  try {
    return await leavesOf(place, tensor, record);
  } catch (error) {
    throw attribute("V3", error);
  }
}

/** The sealed leaves of a tensor, proved to give its root T. */
async function leavesOf(
  place: TensorPlace,
  tensor: PlacedTensor,
  record: TensorRecord,
): Promise<readonly Uint8Array[]> {
  const bytes = await place.source.read(place.treeOffset + tensor.firstLeaf * HASH_SIZE, tensor.leaves * HASH_SIZE);
  const leaves = splitLeaves(bytes.slice());
  if (!equalBytes(merkleRoot(leaves), record.root)) {
    refuse("tensor-root", `the leaves of tensor "${tensor.name}" do not give its root`, tensor.name);
  }
  return leaves;
}

/**
 * Reads a tensor's span into `target` (its length), or through two buffers where there is none, and checks every chunk and
 * the rules of its content. On any failure `target` is zeroed, so that unverified bytes never stay behind.
 */
export async function readTensor(
  place: TensorPlace,
  tensor: PlacedTensor,
  record: TensorRecord,
  target: Uint8Array | undefined,
  options: ReadOptions,
): Promise<void> {
  try {
    await readChunks(place, tensor, record, target, options);
  } catch (error) {
    target?.fill(0);
    throw attribute("V3", error);
  }
}

async function readChunks(
  place: TensorPlace,
  tensor: PlacedTensor,
  record: TensorRecord,
  target: Uint8Array | undefined,
  { signal, buffers, fromCache, ahead: width = AHEAD, part, onChunk }: ReadOptions,
): Promise<void> {
  const { source, dataOffset, chunkSize, cache } = place;
  const first = part?.[0] ?? 0;
  const leaves = (await leavesOf(place, tensor, record)).slice(first, part?.[1]);
  const scan = part ? undefined : scanContent(tensor);
  const pool = buffers ?? chunkBuffers(Math.min(chunkSize, tensor.length));
  const spare = target || !source.readInto ? 0 : Math.min(width, leaves.length);
  const spares = Array.from({ length: spare }, pool.take);

  const lengthOf = (index: number): number => Math.min(chunkSize, tensor.length - index * chunkSize);
  const fetch = async (index: number): Promise<Uint8Array> => {
    const from = index * chunkSize;
    const length = lengthOf(index);
    const into = target?.subarray(from, from + length) ?? spares[(index - first) % width]?.subarray(0, length);
    if (into && source.readInto) {
      await source.readInto(dataOffset + tensor.offset + from, into);
      return into;
    }
    const bytes = await source.read(dataOffset + tensor.offset + from, length);
    // What is hashed elsewhere is read again afterwards, when the source may have written to its memory.
    if (!into) return hashesElsewhere(length) ? bytes.slice() : bytes;
    into.set(bytes);
    return into;
  };
  const chunks = ahead(leaves.entries(), width, async ([i, leaf]) => {
    const index = first + i;
    const kept = cache && (target || fromCache) && (await recall(cache, leaf, lengthOf(index)));
    if (kept) {
      target?.set(kept, index * chunkSize);
      return { index, leaf, chunk: kept, isKept: true, hash: leaf };
    }
    const chunk = await fetch(index);
    const hash = hashesElsewhere(chunk.length) ? await leafHashAsync(chunk) : undefined;
    return { index, leaf, chunk, isKept: false, hash };
  });

  try {
    for await (const { index, leaf, chunk, isKept, hash } of chunks) {
      await takeTurn(signal);
      const { isSealed, fault } = checkChunk(chunk, leaf, hash, scan);
      if (!isSealed)
        refuse("chunk", `chunk ${index} of tensor "${tensor.name}" does not match its leaf`, `${tensor.name}#${index}`);
      if (fault) throw fault.error;
      // Nothing is waited for between a chunk's hash and its last use: a source without readInto lends memory that is its own.
      onChunk(tensor.firstLeaf + index, chunk);
      if (cache && !isKept) await remember(cache, leaf, chunk);
    }
    const fault = faultOf(() => scan?.finish());
    if (fault) throw fault.error;
  } finally {
    // Nothing is under way any more: `ahead` waits for that.
    spares.forEach(pool.give);
  }
}

/** What a chunk is found to be. A fault of its content counts only where the chunk is the sealed one. */
interface Finding {
  readonly isSealed: boolean;
  readonly fault: { readonly error: unknown } | undefined;
}

/** Holds a chunk to its leaf and, on the same way through its bytes, to the rules of content; `hash` where others hashed it. */
function checkChunk(
  chunk: Uint8Array,
  leaf: Uint8Array,
  hash: Uint8Array | undefined,
  scan: ContentScan | undefined,
): Finding {
  const running = hash ? undefined : startLeafHash();
  let fault: Finding["fault"];
  for (let at = 0; at < chunk.length; at += PIECE) {
    const piece = chunk.subarray(at, at + PIECE);
    fault ??= faultOf(() => scan?.update(piece));
    running?.update(piece);
  }
  return { isSealed: equalBytes(hash ?? running?.digest() ?? new Uint8Array(0), leaf), fault };
}

/** What is wrong inside a chunk that the tree holds is a matter of the encoding, V0. */
function faultOf(check: () => void): Finding["fault"] {
  try {
    check();
    return undefined;
  } catch (error) {
    const attributed = attribute("V0", error);
    return { error: attributed instanceof VerifyError ? attributed : error };
  }
}

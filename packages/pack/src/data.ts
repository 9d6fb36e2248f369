/**
 * DATA: each tensor's span is written where the layout puts it, while its chunks are hashed to leaves. Memory is one chunk
 * hash and the piece in flight; the leaves are 32 bytes a chunk.
 */
import {
  type ByteSink,
  createSha256,
  DOMAIN,
  FormatError,
  merkleRoot,
  type PlacedTensor,
  type Provenance,
  type Sha256,
  scanContent,
  type TensorRecord,
  type WeightSource,
} from "@s7l/format";
import { PackError } from "./errors.ts";

/** A tensor as it was written. */
export interface SealedTensor {
  readonly record: TensorRecord;
  readonly provenance: Provenance;
  /** Chunk leaves, in order. */
  readonly leaves: readonly Uint8Array[];
}

/** Cuts a span into chunks and hashes each. */
class ChunkHasher {
  readonly leaves: Uint8Array[] = [];
  private readonly chunk: number;
  private hash: Sha256 | undefined;
  private filled = 0;

  constructor(chunk: number) {
    this.chunk = chunk;
  }

  update(piece: Uint8Array): void {
    let rest = piece;
    while (rest.length > 0) {
      if (!this.hash) {
        this.hash = createSha256();
        this.hash.update(DOMAIN.leaf);
      }
      const part = rest.subarray(0, this.chunk - this.filled);
      this.hash.update(part);
      this.filled += part.length;
      rest = rest.subarray(part.length);
      if (this.filled === this.chunk) this.close();
    }
  }

  close(): void {
    if (this.hash) this.leaves.push(this.hash.digest());
    this.hash = undefined;
    this.filled = 0;
  }
}

/** Writes one tensor. Throws PackError `weights` where its bytes break a rule of the format. */
export async function writeTensor(
  weights: WeightSource,
  tensor: PlacedTensor,
  sink: ByteSink,
  dataOffset: number,
  chunk: number,
): Promise<SealedTensor> {
  const scan = scanContent(tensor);
  const hasher = new ChunkHasher(chunk);
  let offset = dataOffset + tensor.offset;
  for await (const piece of weights.span(tensor)) {
    checked(() => scan.update(piece));
    // The write is under way while this thread hashes; the piece stays untouched until both are done.
    const written = sink.write(offset, piece);
    hasher.update(piece);
    await written;
    offset += piece.length;
  }
  checked(() => scan.finish());
  hasher.close();
  const { name, dtype, shape, length, componentIndex } = tensor;
  return {
    record: {
      name,
      dtype,
      shape,
      offset: tensor.offset,
      length,
      component: componentIndex,
      root: merkleRoot(hasher.leaves),
    },
    provenance: { ...weights.origin(tensor), sha256: weights.sourceDigest(tensor) },
    leaves: hasher.leaves,
  };
}

function checked(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new PackError("weights", error.message, error.at, { cause: error });
  }
}

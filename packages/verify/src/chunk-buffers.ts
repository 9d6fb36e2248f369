/**
 * Memory for chunks that are read only to be checked, used again from tensor to tensor: fresh memory is zeroed and paged in,
 * which costs a third of hashing it.
 */
export interface ChunkBuffers {
  take(): Uint8Array;
  give(buffer: Uint8Array): void;
}

/** Buffers of `size` bytes, made as they are asked for; as many are held as were ever in use at once. */
export function chunkBuffers(size: number): ChunkBuffers {
  const idle: Uint8Array[] = [];
  return {
    take: () => idle.pop() ?? new Uint8Array(size),
    give: (buffer) => void idle.push(buffer),
  };
}

/** SHA-256 of a whole file, in bounded memory. */
import { open } from "node:fs/promises";
import { createSha256, toHex } from "@s7l/format";

/** Bytes in flight: one block is read while the other is hashed. */
const BLOCK = 1 << 22;

/** Hashes a file, saying after each block how many bytes it had. Throws what the file system throws. */
export async function hashFile(path: string, onBytes: (count: number) => void, signal?: AbortSignal): Promise<string> {
  const handle = await open(path, "r");
  try {
    const hash = createSha256();
    const blocks = [new Uint8Array(BLOCK), new Uint8Array(BLOCK)] as const;
    let turn: 0 | 1 = 0;
    let next = handle.read(blocks[turn], 0, BLOCK);
    for (;;) {
      const { bytesRead } = await next;
      if (bytesRead === 0) return toHex(hash.digest());
      signal?.throwIfAborted();
      const block = blocks[turn].subarray(0, bytesRead);
      turn = turn === 0 ? 1 : 0;
      next = handle.read(blocks[turn], 0, BLOCK);
      hash.update(block);
      onBytes(bytesRead);
    }
  } finally {
    await handle.close();
  }
}

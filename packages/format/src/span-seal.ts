/** What is found out about a span while its bytes pass by on their way to a file: that they keep the rules of content, and their hashes. */
import { scanContent } from "./content.ts";
import type { PlannedTensor } from "./fold/tensor-plan.ts";
import { createSha256, type Sha256 } from "./hash.ts";
import { joinLeaves, startLeafHash } from "./merkle.ts";

/** Takes a tensor's span in pieces, in order: each is checked, then hashed. Between the two its writing may begin. */
export interface SpanSeal {
  /** Throws FormatError `content` with the place. */
  check(piece: Uint8Array): void;
  hash(piece: Uint8Array): void;
  /**
   * The hashes, 32 bytes each, one after another. They are one array, because a large model has a million. Throws FormatError
   * `content` for a span that is not whole.
   */
  finish(): Uint8Array;
}

/** Starts with one tensor: its chunks of `chunkSize` bytes are hashed to leaves; without that, the span is to one SHA-256. */
export function startSpanSeal(tensor: PlannedTensor, chunkSize?: number): SpanSeal {
  const scan = scanContent(tensor);
  const most = chunkSize ?? Number.POSITIVE_INFINITY;
  const hashes: Uint8Array[] = [];
  let running: Sha256 | undefined;
  let filled = 0;
  const start = chunkSize === undefined ? createSha256 : startLeafHash;
  const close = (): void => {
    if (running) hashes.push(running.digest());
    running = undefined;
    filled = 0;
  };
  return {
    check: (piece) => scan.update(piece),
    hash: (piece) => {
      let rest = piece;
      while (rest.length > 0) {
        running ??= start();
        const part = rest.subarray(0, most - filled);
        running.update(part);
        filled += part.length;
        rest = rest.subarray(part.length);
        if (filled === most) close();
      }
    },
    finish: () => {
      scan.finish();
      close();
      return joinLeaves(hashes);
    },
  };
}

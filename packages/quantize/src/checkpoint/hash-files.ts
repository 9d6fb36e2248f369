/** SHA-256 of many files at once, a thread each. */
import type { Worker } from "node:worker_threads";
import { FormatError } from "@s7l/format";
import { startWorker } from "../worker.ts";
import { hashFile } from "./hash-file.ts";
import type { HashMessage } from "./hash-worker.ts";
import { script } from "./hash-worker-script.generated.ts";
import type { ListedFile } from "./listing.ts";

export interface HashOptions {
  /** Threads; 1 hashes on this one. Default 1. */
  readonly threads?: number;
  /** Called as soon as a file's digest is known, in any order. */
  readonly onDigest?: (file: ListedFile, sha256: string) => Promise<void> | void;
  /** Bytes hashed so far. */
  readonly onProgress?: (done: number) => void;
  readonly signal?: AbortSignal;
}

/** Hashes files, the largest first. Gives the digest of each by its name. Throws FormatError `io` with the file. */
export async function hashFiles(
  files: readonly ListedFile[],
  { threads = 1, onDigest, onProgress, signal }: HashOptions = {},
): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>();
  const queue = [...files].sort((a, b) => a.size - b.size);
  let done = 0;
  const onBytes = (count: number): void => {
    done += count;
    onProgress?.(done);
  };
  const drain = async (hash: (path: string) => Promise<string>): Promise<void> => {
    for (let file = queue.pop(); file; file = queue.pop()) {
      signal?.throwIfAborted();
      const sha256 = await hash(file.path).catch((cause: unknown) => {
        if (signal?.aborted) throw cause;
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new FormatError("io", `${file.name} cannot be read: ${reason}`, file.name, { cause });
      });
      digests.set(file.name, sha256);
      await onDigest?.(file, sha256);
    }
  };
  const count = Math.min(threads, files.length);
  if (count <= 1) {
    await drain((path) => hashFile(path, onBytes, signal));
    return digests;
  }
  const workers = Array.from({ length: count }, () => startWorker(script));
  try {
    await Promise.all(workers.map((worker) => drain((path) => hashOn(worker, path, onBytes, signal))));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return digests;
}

/** Hashes one file on a thread that is idle. */
function hashOn(
  worker: Worker,
  path: string,
  onBytes: (count: number) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      // One by one: removeAllListeners would take the thread's own with it, and no message would come again.
      worker.off("message", take).off("error", fail).off("exit", end);
      signal?.removeEventListener("abort", abort);
      act();
    };
    const take = (message: HashMessage): void => {
      if (message.kind === "bytes") onBytes(message.count);
      else if (message.kind === "done") settle(() => resolve(message.sha256));
      else fail(new Error(message.message));
    };
    const fail = (cause: Error): void => settle(() => reject(cause));
    const end = (): void => fail(new Error("the thread that read it ended"));
    const abort = (): void => settle(() => reject(signal?.reason));
    worker.on("message", take).on("error", fail).on("exit", end);
    signal?.addEventListener("abort", abort);
    worker.postMessage(path);
  });
}

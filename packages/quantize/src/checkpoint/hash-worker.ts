/** A thread that hashes one file after another: paths come in, digests or what went wrong go out. */
import { parentPort } from "node:worker_threads";
import { hashFile } from "./hash-file.ts";

/** What this thread says: bytes on the way, then a digest or a failure. */
export type HashMessage =
  | { readonly kind: "bytes"; readonly count: number }
  | { readonly kind: "done"; readonly sha256: string }
  | { readonly kind: "failed"; readonly message: string };

/** Bytes between two words on progress. */
const REPORT = 1 << 26;

parentPort?.on("message", async (path: string) => {
  let pending = 0;
  const say = (message: HashMessage): void => parentPort?.postMessage(message);
  try {
    const sha256 = await hashFile(path, (count) => {
      pending += count;
      if (pending < REPORT) return;
      say({ kind: "bytes", count: pending });
      pending = 0;
    });
    say({ kind: "bytes", count: pending });
    say({ kind: "done", sha256 });
  } catch (cause) {
    say({ kind: "failed", message: cause instanceof Error ? cause.message : String(cause) });
  }
});

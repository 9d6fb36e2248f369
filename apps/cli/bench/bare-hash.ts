/** The ceilings of a build: threads that do nothing but read what it reads and hash as many bytes as it hashes, and that write as many too. */
import { Worker } from "node:worker_threads";

const SCRIPT = `
const { closeSync, fdatasyncSync, openSync, readSync, writeSync } = require("node:fs");
const { createHash } = require("node:crypto");
const { parentPort, workerData: { paths, written, out } } = require("node:worker_threads");
const block = new Uint8Array(1 << 18);
const hash = createHash("sha256");
for (const path of paths) {
  const file = openSync(path);
  for (let read; (read = readSync(file, block)) > 0; ) hash.update(block.subarray(0, read));
  closeSync(file);
}
const file = out && openSync(out, "w");
for (let left = written; left > 0; left -= block.length) {
  const piece = block.subarray(0, left);
  hash.update(piece);
  if (file) writeSync(file, piece);
}
if (file) {
  fdatasyncSync(file);
  closeSync(file);
}
parentPort.postMessage(hash.digest("hex"));
`;

/**
 * Reads and hashes files, and hashes `written` bytes more that lie in the cache, by so many threads, each its share of the files and
 * bytes; with `out`, writes these to files that begin with that name, and waits for the disk. Files are shared out whole: let them be of
 * one size, and as many as divide by the threads.
 */
export async function hashBarely(
  paths: readonly string[],
  written: number,
  threads: number,
  out?: string,
): Promise<void> {
  const shares = Array.from({ length: threads }, (_, thread) => paths.filter((_path, i) => i % threads === thread));
  await Promise.all(
    shares.map(
      (share, thread) =>
        new Promise<void>((resolve, reject) => {
          const workerData = {
            paths: share,
            written: Math.ceil(written / threads),
            ...(out === undefined ? {} : { out: `${out}-${thread}` }),
          };
          const worker = new Worker(SCRIPT, { eval: true, workerData });
          worker.once("message", () => resolve());
          worker.once("error", reject);
        }),
    ),
  );
}

/** Threads of this package: each runs a script that the build made text (scripts/inline-script.mjs), so that no file has to be found. */
import { Worker, type WorkerOptions } from "node:worker_threads";

/** Starts a thread. It takes no flag of its parent's, which would have it load what they name. */
export const startWorker = (script: string, options: WorkerOptions = {}): Worker =>
  new Worker(script, { ...options, eval: true, execArgv: [] });

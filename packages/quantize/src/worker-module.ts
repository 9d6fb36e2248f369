/** Threads of this package. */
import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * A module as a thread loads it: the built one, also where this runs from source, because a thread has none of the loaders that
 * its parent may have (vitest's, tsx's).
 */
export const workerModule = (name: string): URL => new URL(`../dist/${name}.js`, import.meta.url);

/** Starts a thread on a module of this package. It takes no flag of its parent's, whose conditions would lead it to source files. */
export const startWorker = (name: string, options: WorkerOptions = {}): Worker =>
  new Worker(workerModule(name), { ...options, execArgv: [] });

/**
 * Threads of this host: workers of the web, or of Node where those are none. Both run a script given as text, so that no file
 * has to be found.
 */
import { builtin, nodeThreads } from "@s7l/format";
import type { Enlistment, Report } from "./crew-thread.ts";

export interface Thread {
  readonly send: (task: Enlistment) => void;
  /** Whether the process stays alive for this thread's sake; a page has no such thing. */
  readonly hold: (on: boolean) => void;
  readonly end: () => void;
}

/** Whether threads of this host can share memory: those of a page only where it is cross-origin isolated. */
export function hasSharedMemory(): boolean {
  return typeof SharedArrayBuffer === "function" && globalThis.crossOriginIsolated !== false;
}

/** Threads that this host runs at once. */
export function hostThreads(): number {
  const os = builtin("node:os");
  if (typeof os === "object" && os !== null && "availableParallelism" in os) {
    const count: unknown = typeof os.availableParallelism === "function" ? os.availableParallelism() : 1;
    return typeof count === "number" ? count : 1;
  }
  return typeof navigator === "object" ? navigator.hardwareConcurrency : 1;
}

/** Starts a thread. Throws where the host refuses; what goes wrong later goes to `fail`. */
export function startThread(script: string, hear: (report: Report) => void, fail: (reason: string) => void): Thread {
  return typeof Worker === "function" ? webThread(script, hear, fail) : nodeThread(script, hear, fail);
}

function webThread(script: string, hear: (report: Report) => void, fail: (reason: string) => void): Thread {
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const worker = new Worker(url);
  worker.onmessage = ({ data }: MessageEvent<Report>) => {
    URL.revokeObjectURL(url);
    hear(data);
  };
  worker.onerror = ({ message }) => fail(message || "its script was refused");
  return { send: (task) => worker.postMessage(task), hold: () => {}, end: () => worker.terminate() };
}

function nodeThread(script: string, hear: (report: Report) => void, fail: (reason: string) => void): Thread {
  const threads = nodeThreads();
  if (!threads) throw new Error("there are no workers");
  const worker = new threads.Worker<Report>(script, { eval: true, execArgv: [] });
  worker.on("message", hear);
  worker.on("error", (error) => fail(error instanceof Error ? error.message : String(error)));
  worker.on("exit", () => fail("it ended"));
  return {
    send: (task) => worker.postMessage(task),
    hold: (on) => (on ? worker.ref() : worker.unref()),
    end: () => void worker.terminate(),
  };
}

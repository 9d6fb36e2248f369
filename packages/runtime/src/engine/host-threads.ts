/** What threads this host can have for a model. */
import { builtin } from "@s7l/format";

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

/**
 * What a host may have built in. Found through `process.getBuiltinModule`, without an import that a bundler would trip on.
 */

/** A built-in module of Node, or undefined where the host has none of that name. */
export function builtin(id: string): unknown {
  const host: { readonly process?: { readonly getBuiltinModule?: (id: string) => unknown } } & object = globalThis;
  return host.process?.getBuiltinModule?.(id);
}

/** What is used of a thread of Node; `Message` is what it sends. */
export interface NodeWorker<Message> {
  on(event: "message", hear: (message: Message) => void): unknown;
  on(event: "error" | "messageerror" | "exit", hear: (reason: unknown) => void): unknown;
  postMessage(message: unknown): void;
  /** Whether the process stays alive for its sake. */
  ref(): void;
  unref(): void;
  terminate(): unknown;
}

/** What is used of `node:worker_threads`. */
export interface NodeThreads {
  /** `execArgv`: a thread that took its parent's flags would be led to source files by its conditions. */
  readonly Worker: new <Message>(
    script: string | URL,
    options: { readonly eval?: boolean; readonly execArgv: readonly string[] },
  ) => NodeWorker<Message>;
}

/** Node's threads, or undefined where the host has none. */
export function nodeThreads(): NodeThreads | undefined {
  const threads = builtin("node:worker_threads");
  return isNodeThreads(threads) ? threads : undefined;
}

function isNodeThreads(found: unknown): found is NodeThreads {
  return typeof found === "object" && found !== null && "Worker" in found && typeof found.Worker === "function";
}

/**
 * Threads of this host: workers of the web, or of Node where those are none. Both run a script given as text, so that no file
 * has to be found, by no bundler and no server.
 */
import { builtin } from "./host.ts";

/** A thread at work on its script. */
export interface Thread {
  /** Gives the script a message; what it holds is copied, but shared memory is shared. */
  readonly send: (message: unknown) => void;
  /** Whether the process stays alive for this thread's sake; a page has no such thing. */
  readonly hold: (on: boolean) => void;
  /** Ends it, whatever it is doing. */
  readonly end: () => void;
}

/**
 * Starts a thread. Each message of its script goes to `hear`; that it failed goes to `fail`, and in Node that it ended. Throws where the host has no
 * threads or refuses one, as a page's policy may (`worker-src` without `blob:`).
 */
export function startThread<Message>(
  script: string,
  hear: (message: Message) => void,
  fail: (reason: string) => void,
): Thread {
  return typeof Worker === "function" ? webThread(script, hear, fail) : nodeThread(script, hear, fail);
}

function webThread<Message>(script: string, hear: (message: Message) => void, fail: (reason: string) => void): Thread {
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const worker = new Worker(url);
  const letGo = (): void => URL.revokeObjectURL(url);
  worker.onmessage = ({ data }: MessageEvent<Message>) => {
    letGo();
    hear(data);
  };
  worker.onerror = ({ message }) => {
    letGo();
    fail(message || "its script was refused");
  };
  worker.onmessageerror = () => fail("a message could not be read");
  const end = (): void => {
    letGo();
    worker.terminate();
  };
  return { send: (message) => worker.postMessage(message), hold: () => {}, end };
}

/** The script's own end of the line. */
export interface ThreadPort<Message> {
  onmessage: ((event: { readonly data: Message }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** Where the script of a thread hears its parent: a worker of the web is its own port, Node's has one. Throws outside of a thread. */
export function threadPort<Message>(): ThreadPort<Message> {
  const threads = builtin("node:worker_threads");
  const own = typeof threads === "object" && threads !== null && "parentPort" in threads ? threads.parentPort : null;
  for (const port of [own, globalThis]) if (isPort<Message>(port)) return port;
  throw new Error("this is no thread");
}

function isPort<Message>(found: unknown): found is ThreadPort<Message> {
  return typeof found === "object" && found !== null && "postMessage" in found && "close" in found;
}

/** What is used of a thread of Node. */
interface NodeWorker<Message> {
  on(event: "message", hear: (message: Message) => void): unknown;
  on(event: "error" | "messageerror" | "exit", hear: (reason: unknown) => void): unknown;
  postMessage(message: unknown): void;
  ref(): void;
  unref(): void;
  terminate(): unknown;
}

/** What is used of `node:worker_threads`. */
interface NodeThreads {
  /** `execArgv`: a thread that took its parent's flags would load what they name, for nothing. */
  readonly Worker: new <Message>(
    script: string,
    options: { readonly eval: true; readonly execArgv: readonly string[] },
  ) => NodeWorker<Message>;
}

function isNodeThreads(found: unknown): found is NodeThreads {
  return typeof found === "object" && found !== null && "Worker" in found && typeof found.Worker === "function";
}

function nodeThread<Message>(script: string, hear: (message: Message) => void, fail: (reason: string) => void): Thread {
  const threads = builtin("node:worker_threads");
  if (!isNodeThreads(threads)) throw new Error("this host has no threads");
  const worker = new threads.Worker<Message>(script, { eval: true, execArgv: [] });
  worker.on("message", hear);
  worker.on("error", (error) => fail(error instanceof Error ? error.message : String(error)));
  worker.on("messageerror", () => fail("a message could not be read"));
  worker.on("exit", () => fail("it ended"));
  return {
    send: (message) => worker.postMessage(message),
    hold: (on) => (on ? worker.ref() : worker.unref()),
    end: () => void worker.terminate(),
  };
}

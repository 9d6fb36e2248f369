/**
 * A thread of the host, as something to ask: a Web Worker, or Node's. It answers one question at a time with yes or no, and no is
 * also what it says when it cannot start, fails or is ended.
 */
import { type NodeThreads, nodeThreads, type PlacedTensor, type SharedBytes, type TensorRecord } from "@s7l/format";
import type { TensorPlace } from "../tensor-reader.ts";

/** The first question tells where the bytes are; each other one is of a tensor: does it hold? */
export type Question =
  | { readonly shared: SharedBytes; readonly place: Omit<TensorPlace, "source" | "cache"> }
  | { readonly tensor: PlacedTensor; readonly record: TensorRecord };

export interface Thread {
  ask(question: Question): Promise<boolean>;
  /** Ends it, whatever it is doing. */
  end(): void;
}

/** What the kinds of worker have in common, once their events are named. */
interface Line {
  post(question: Question): void;
  close(): void;
}
type Open = (onAnswer: (answer: unknown) => void, onEnd: () => void) => Line;

/** Starts a thread, or gives undefined where the host has none. */
export function startThread(): Thread | undefined {
  try {
    if (typeof globalThis.Worker === "function") return threadOver(openWebWorker);
    const threads = nodeThreads();
    return threads && threadOver(openNodeWorker(threads));
  } catch {
    // A policy of the page may forbid workers.
    return undefined;
  }
}

function threadOver(open: Open): Thread {
  let settle: ((holds: boolean) => void) | undefined;
  let ended = false;
  const answer = (holds: boolean): void => {
    const waiting = settle;
    settle = undefined;
    waiting?.(holds);
  };
  const onEnd = (): void => {
    ended = true;
    answer(false);
  };
  const line = open((said) => answer(said === true), onEnd);
  return {
    ask: (question) =>
      new Promise((resolve) => {
        if (ended) return resolve(false);
        settle = resolve;
        line.post(question);
      }),
    end: () => {
      line.close();
      onEnd();
    },
  };
}

/** The form that bundlers know: they build the worker and put its address here. From source it is the built one, as no thread reads TypeScript. */
const openWebWorker: Open = (onAnswer, onEnd) => {
  const worker = new Worker(new URL("../../dist/threads/worker.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => onAnswer(data);
  worker.onerror = onEnd;
  worker.onmessageerror = onEnd;
  return { post: (question) => worker.postMessage(question), close: () => worker.terminate() };
};

const openNodeWorker =
  (threads: NodeThreads): Open =>
  (onAnswer, onEnd) => {
    // By a name of its own: a bundler that reads `new URL(…, import.meta.url)` here would copy the file as an asset, for nothing.
    const here = import.meta.url;
    const worker = new threads.Worker<unknown>(new URL("../../dist/threads/worker.js", here), { execArgv: [] });
    worker.on("message", onAnswer);
    worker.on("error", onEnd);
    worker.on("messageerror", onEnd);
    worker.on("exit", onEnd);
    return { post: (question) => worker.postMessage(question), close: () => void worker.terminate() };
  };

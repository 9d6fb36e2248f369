/**
 * The thread itself. It reads the bytes that it shares with its parent and checks the tensors it is asked for, against the
 * records that the parent has verified. What goes wrong it leaves to the parent, which checks again.
 */
import { builtin } from "@s7l/format";
import { type ChunkBuffers, chunkBuffers } from "../chunk-buffers.ts";
import { readTensor, type TensorPlace } from "../tensor-reader.ts";
import { openShared } from "./shared-source.ts";
import type { Question } from "./thread.ts";

/** The parent's end of the line: a worker's own global, or a port of Node's. */
interface Port {
  postMessage(message: unknown): void;
}

let opened: { readonly place: TensorPlace; readonly buffers: ChunkBuffers } | undefined;

async function answer(question: Question): Promise<boolean> {
  try {
    if ("shared" in question) {
      const { shared, place } = question;
      opened = { place: { ...place, source: openShared(shared) }, buffers: chunkBuffers(place.chunkSize) };
      return true;
    }
    if (!opened) return false;
    const { place, buffers } = opened;
    await readTensor(place, question.tensor, question.record, undefined, {
      buffers,
      ahead: 1,
      onChunk: () => undefined,
    });
    return true;
  } catch {
    return false;
  }
}

function serve(port: Port, question: Question): void {
  answer(question).then((holds) => port.postMessage(holds));
}

interface NodePort extends Port {
  on(event: "message", listener: (question: Question) => void): unknown;
}

function nodePort(): NodePort | undefined {
  const threads = builtin("node:worker_threads");
  if (typeof threads !== "object" || threads === null || !("parentPort" in threads)) return undefined;
  const port = threads.parentPort;
  return isNodePort(port) ? port : undefined;
}

function isNodePort(found: unknown): found is NodePort {
  return typeof found === "object" && found !== null && "on" in found && "postMessage" in found;
}

// A Web Worker has a `postMessage` of its own; Deno and Bun have both, and start this one as a Web Worker.
const web: { readonly postMessage?: (message: unknown) => void } & object = globalThis;
if (web.postMessage) {
  const port: Port = { postMessage: (message) => web.postMessage?.(message) };
  globalThis.addEventListener("message", ({ data }: MessageEvent<Question>) => serve(port, data));
} else {
  const port = nodePort();
  port?.on("message", (question) => serve(port, question));
}

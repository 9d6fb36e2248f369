/** Quantizing on several threads: the same weights, each span made on whichever thread is idle. */
import type { Worker } from "node:worker_threads";
import { FormatError, type PlannedTensor } from "@s7l/format";
import type { Checkpoint } from "./checkpoint/checkpoint.ts";
import type { StoredTensor } from "./checkpoint/safetensors.ts";
import type { View } from "./checkpoint/view.ts";
import { QuantizeError } from "./errors.ts";
import { type QuantizedWeights, type QuantizeOptions, quantizeBy } from "./quantize.ts";
import type { QuantizeReply, QuantizeRequest } from "./quantize-worker.ts";
import { quantizedSpan, type SpanEnd } from "./quantized-span.ts";
import { startWorker } from "./worker-module.ts";

/** Weights whose spans come from threads. Close them when done. */
export interface ThreadedWeights extends QuantizedWeights {
  close(): Promise<void>;
}

/**
 * What `quantize(checkpoint, options)` gives, made on `threads` threads, which open the checkpoint's files for themselves. To keep them
 * busy, read as many spans at once and one more. The bytes are the same for any number. Errors as from `quantize`.
 */
export function quantizeOnThreads(
  checkpoint: Checkpoint,
  threads: number,
  options: QuantizeOptions = {},
): ThreadedWeights {
  const workers: Worker[] = [];
  const idle: Worker[] = [];
  const waiting: ((worker: Worker) => void)[] = [];

  const take = async (): Promise<Worker> => {
    const worker = idle.pop();
    if (worker) return worker;
    if (workers.length === threads) return new Promise((resolve) => waiting.push(resolve));
    const started = startWorker("quantize-worker", { resourceLimits: LIMITS });
    workers.push(started);
    return started;
  };
  const release = (worker: Worker): void => {
    const next = waiting.shift();
    if (next) next(worker);
    else idle.push(worker);
  };

  async function* span(
    tensor: PlannedTensor,
    view: View,
    stored: StoredTensor,
  ): AsyncGenerator<Uint8Array, SpanEnd, undefined> {
    const place = checkpoint.fileOf(stored);
    if (!place) return yield* quantizedSpan(tensor, view, stored);
    const worker = await take();
    const inbox = listenTo(worker);
    let ended = worker.threadId < 0;
    try {
      if (ended) throw new QuantizeError("checkpoint", "a thread that quantizes has ended");
      const { source: _, ...description } = stored;
      tell(worker, { kind: "tensor", tensor, view, stored: description, place });
      for (;;) {
        const reply = await inbox.next();
        if (reply.kind === "piece") {
          yield reply.bytes;
          worker.postMessage({ kind: "taken", memory: reply.bytes.buffer } satisfies QuantizeRequest, [
            reply.bytes.buffer,
          ]);
          continue;
        }
        ended = true;
        if (reply.kind === "quantize") throw new QuantizeError(reply.code, reply.message, reply.at);
        if (reply.kind === "format") throw new FormatError(reply.code, reply.message, reply.at);
        if (reply.kind === "failed") throw new QuantizeError("checkpoint", `a thread failed: ${reply.message}`);
        return { digest: reply.digest, report: reply.report };
      }
    } finally {
      if (!ended) {
        // Left in the middle. Not terminated: another span may be waiting for this thread.
        tell(worker, { kind: "stop" });
        while ((await inbox.next()).kind === "piece");
      }
      inbox.close();
      release(worker);
    }
  }

  return {
    ...quantizeBy(span, checkpoint, options),
    close: async () => {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

/** A thread needs a few MB: its heap holds one tensor's description, and what it works on lies outside. */
const LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 };

const tell = (worker: Worker, request: QuantizeRequest): void => worker.postMessage(request);

/** The replies of a thread, in order; a thread that ends replies that it failed. */
function listenTo(worker: Worker): { next(): Promise<QuantizeReply>; close(): void } {
  const replies: QuantizeReply[] = [];
  let wake = (): void => {};
  const take = (reply: QuantizeReply): void => {
    replies.push(reply);
    wake();
  };
  const fail = (cause: Error): void => take({ kind: "failed", message: cause.message });
  const end = (): void => take({ kind: "failed", message: "it ended" });
  worker.on("message", take).on("error", fail).on("exit", end);
  return {
    next: async () => {
      for (;;) {
        const reply = replies.shift();
        if (reply) return reply;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    close: () => {
      worker.off("message", take).off("error", fail).off("exit", end);
    },
  };
}

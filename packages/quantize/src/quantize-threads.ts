/** Quantizing on several threads: the same weights, each span made on whichever thread is idle. */
import type { Worker } from "node:worker_threads";
import { FormatError, type PlannedTensor } from "@s7l/format";
import type { Checkpoint, CheckpointPath } from "./checkpoint/checkpoint.ts";
import { QuantizeError } from "./errors.ts";
import { type QuantizedWeights, type QuantizeOptions, quantize } from "./quantize.ts";
import type { QuantizeReply, QuantizeRequest, QuantizeTask } from "./quantize-worker.ts";
import type { TensorReport } from "./report.ts";
import { startWorker } from "./worker-module.ts";

/** Weights whose spans come from threads. Close them when done. */
export interface ThreadedWeights extends QuantizedWeights {
  close(): Promise<void>;
}

/**
 * What `quantize(checkpoint, options)` gives, made on `threads` threads that each open `path`, the checkpoint's own. To keep them busy,
 * read as many spans at once and one more. The bytes are the same for any number. Errors as from `quantize`.
 */
export function quantizeOnThreads(
  checkpoint: Checkpoint,
  path: CheckpointPath,
  threads: number,
  options: QuantizeOptions = {},
): ThreadedWeights {
  const weights = quantize(checkpoint, options);
  const task: QuantizeTask = { path, identity: checkpoint.identity, options };
  const workers = Array.from({ length: threads }, () => startWorker("quantize-worker", { workerData: task }));
  const idle = [...workers];
  const waiting: ((worker: Worker) => void)[] = [];
  const digests = new Map<string, Uint8Array>();
  const reports = new Map<string, TensorReport>();

  const release = (worker: Worker): void => {
    const next = waiting.shift();
    if (next) next(worker);
    else idle.push(worker);
  };

  async function* span(tensor: PlannedTensor): AsyncGenerator<Uint8Array, void, undefined> {
    const worker = idle.pop() ?? (await new Promise<Worker>((resolve) => waiting.push(resolve)));
    const inbox = listenTo(worker);
    let ended = worker.threadId < 0;
    try {
      if (ended) throw new QuantizeError("checkpoint", "a thread that quantizes has ended");
      tell(worker, { kind: "tensor", tensor });
      for (;;) {
        const reply = await inbox.next();
        if (reply.kind === "piece") {
          yield reply.bytes;
          tell(worker, { kind: "taken" });
          continue;
        }
        ended = true;
        if (reply.kind === "quantize") throw new QuantizeError(reply.code, reply.message, reply.at);
        if (reply.kind === "format") throw new FormatError(reply.code, reply.message, reply.at);
        if (reply.kind === "failed") throw new QuantizeError("checkpoint", `a thread failed: ${reply.message}`);
        digests.set(tensor.name, reply.digest);
        if (reply.report) reports.set(tensor.name, reply.report);
        return;
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
    ...weights,
    span,
    sourceDigest: ({ name }) => {
      const digest = digests.get(name);
      if (!digest) throw new QuantizeError("tensor", `the digest of ${name} is known once its span was read`, name);
      return digest;
    },
    tensorReport: ({ name }) => reports.get(name),
    report: () => {
      const { family } = weights.report();
      return { family, tensors: [...reports.values()].sort((a, b) => (a.name < b.name ? -1 : 1)) };
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

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

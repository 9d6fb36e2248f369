/** Quantizing on several threads: the same weights, each span made on whichever thread is idle. */
import { FormatError, type PlannedTensor } from "@s7l/format";
import type { Checkpoint } from "./checkpoint/checkpoint.ts";
import type { StoredTensor } from "./checkpoint/safetensors.ts";
import type { View } from "./checkpoint/view.ts";
import { QuantizeError } from "./errors.ts";
import { type QuantizedWeights, type QuantizeOptions, quantizeBy, type WriteStored } from "./quantize.ts";
import { type GivenTask, QuantizeThread, type TaskReply } from "./quantize-thread.ts";
import { quantizedSpan, type SpanEnd } from "./quantized-span.ts";

/** Weights whose spans come from threads. Close them when done. */
export interface ThreadedWeights extends QuantizedWeights {
  close(): Promise<void>;
}

/**
 * What `quantize(checkpoint, options)` gives, made on `threads` threads, which open the checkpoint's files for themselves. To keep them
 * busy, read twice as many spans at once and one more: one that each works on, one that it has made and that is still read. The bytes are the same for any number. Errors as from `quantize`.
 */
export function quantizeOnThreads(
  checkpoint: Checkpoint,
  threads: number,
  options: QuantizeOptions = {},
): ThreadedWeights {
  const free: QuantizeThread[] = [];
  const waiting: ((thread: QuantizeThread) => void)[] = [];

  const release = (thread: QuantizeThread): void => {
    const next = waiting.shift();
    if (next) next(thread);
    else free.push(thread);
  };
  const take = async (): Promise<QuantizeThread> => free.pop() ?? new Promise((resolve) => waiting.push(resolve));

  async function* span(
    tensor: PlannedTensor,
    view: View,
    stored: StoredTensor,
  ): AsyncGenerator<Uint8Array, SpanEnd, undefined> {
    const place = checkpoint.fileOf(stored);
    if (!place) return yield* quantizedSpan(tensor, view, stored);
    const { source: _, ...description } = stored;
    const task = (await take()).give({ tensor, view, stored: description, place });
    let ended = false;
    try {
      for (;;) {
        const reply = await task.next();
        if (reply.kind === "piece") {
          try {
            yield reply.bytes;
          } finally {
            task.taken(reply.bytes.buffer);
          }
          continue;
        }
        ended = true;
        return endOf(reply);
      }
    } finally {
      // Left in the middle. The thread goes on: another span may be waiting for it.
      if (!ended) await task.stop();
    }
  }

  const heeded = new WeakMap<AbortSignal, Set<GivenTask>>();
  /** The tasks that end when a signal fires, by one listener: Node warns of eleven. */
  const tasksOf = (signal: AbortSignal): Set<GivenTask> => {
    const known = heeded.get(signal);
    if (known) return known;
    const tasks = new Set<GivenTask>();
    heeded.set(signal, tasks);
    const cancel = (): void => {
      for (const task of tasks) task.cancel();
    };
    signal.addEventListener("abort", cancel, { once: true });
    return tasks;
  };

  const write: WriteStored = (tensor, view, stored, into, signal) => {
    const place = checkpoint.fileOf(stored);
    if (!place) return undefined;
    const { source: _, ...description } = stored;
    const run = async (): Promise<SpanEnd & { readonly hashes: Uint8Array }> => {
      const thread = await take();
      const task = thread.give({ tensor, view, stored: description, place, into });
      const heeding = signal && tasksOf(signal);
      heeding?.add(task);
      if (signal?.aborted) task.cancel();
      try {
        const reply = await task.next();
        signal?.throwIfAborted();
        const { digest, report, hashes } = endOf(reply);
        if (!hashes) throw new QuantizeError("tensor", `the span of ${tensor.name} was not written`, tensor.name);
        return { digest, report, hashes };
      } finally {
        heeding?.delete(task);
      }
    };
    return run();
  };

  // Now, so that they are there when the config is lowered and the first span is asked for.
  const started = Array.from({ length: Math.min(threads, checkpoint.tensors.size) }, () => new QuantizeThread(release));
  free.push(...started);
  const close = async (): Promise<void> => {
    await Promise.all(started.map((thread) => thread.close()));
  };
  try {
    return { ...quantizeBy(span, checkpoint, options, write), close };
  } catch (error) {
    // What the headers show was refused.
    void close();
    throw error;
  }
}

/** How a task ended, or its error. */
function endOf(reply: TaskReply): SpanEnd & { readonly hashes?: Uint8Array } {
  switch (reply.kind) {
    case "done":
      return reply;
    case "quantize":
      throw new QuantizeError(reply.code, reply.message, reply.at);
    case "format":
      throw new FormatError(reply.code, reply.message, reply.at);
    case "failed":
      throw new QuantizeError("checkpoint", `a thread failed: ${reply.message}`);
    case "piece":
      throw new QuantizeError("checkpoint", "a thread gave a piece that nobody had asked for");
  }
}

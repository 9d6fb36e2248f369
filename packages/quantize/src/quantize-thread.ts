/** One thread that quantizes, as its user sees it: tasks go in, and are done in order; the replies to each come out apart. */
import type { Worker } from "node:worker_threads";
import type { QuantizeReply, QuantizeRequest, QuantizeTask } from "./quantize-worker.ts";
import { script } from "./quantize-worker-script.generated.ts";
import { startWorker } from "./worker.ts";

/** What is said of one task: pieces, then how it ended. */
export type TaskReply = Exclude<QuantizeReply, { readonly kind: "nearly" }>;

/** A task that a thread was given. */
export interface GivenTask {
  /** The next reply. The last is the first that is no piece. */
  next(): Promise<TaskReply>;
  /** Gives a piece's memory back, which lets the thread make another. */
  taken(memory: ArrayBuffer): void;
  /** Has it end before its time. */
  cancel(): void;
  /** The same, waiting for it; the pieces that it had made are given back. */
  stop(): Promise<void>;
}

/** A thread needs a few MB: its heap holds one tensor's description, and what it works on lies outside. */
const LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 };

/** A thread. Close it when done. */
export class QuantizeThread {
  private readonly worker: Worker;
  private readonly tasks: Inbox[] = [];
  private readonly onFree: (thread: QuantizeThread) => void;
  private failure: string | undefined;
  private free = true;
  private begun = 0;

  /** `onFree` is called when it has nearly done what it was given: the next task then waits there, and no time is lost between the two. */
  constructor(onFree: (thread: QuantizeThread) => void) {
    this.onFree = onFree;
    this.worker = startWorker(script, { resourceLimits: LIMITS });
    this.worker.on("message", (reply: QuantizeReply) => this.take(reply));
    this.worker.on("error", (cause: Error) => this.end(cause.message));
    this.worker.on("exit", () => this.end("it ended"));
  }

  /** Gives it a task, which waits for the one before. One that was given to a thread that has ended fails. */
  give(task: Omit<QuantizeTask, "kind" | "id">): GivenTask {
    const id = this.begun++;
    const inbox = new Inbox();
    this.tasks.push(inbox);
    this.free = false;
    const tell = (request: QuantizeRequest, transfer: ArrayBuffer[] = []): void =>
      this.worker.postMessage(request, transfer);
    const taken = (memory: ArrayBuffer): void => tell({ kind: "taken", memory }, [memory]);
    if (this.failure === undefined) tell({ ...task, kind: "tensor", id });
    else this.end(this.failure);
    const cancel = (): void => tell({ kind: "stop", id });
    return {
      next: () => inbox.next(),
      taken,
      cancel,
      stop: async () => {
        cancel();
        for (;;) {
          const reply = await inbox.next();
          if (reply.kind !== "piece") return;
          taken(reply.bytes.buffer);
        }
      },
    };
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }

  private take(reply: QuantizeReply): void {
    if (reply.kind !== "nearly") {
      this.tasks[0]?.put(reply);
      if (reply.kind === "piece") return;
      this.tasks.shift();
      if (this.tasks.length > 0) return;
    }
    this.setFree();
  }

  private end(reason: string): void {
    this.failure ??= reason;
    for (const inbox of this.tasks.splice(0)) inbox.put({ kind: "failed", message: this.failure });
    // Who waits for a thread shall not wait for ever: they get this one, and learn that it has ended.
    this.setFree();
  }

  private setFree(): void {
    if (this.free) return;
    this.free = true;
    this.onFree(this);
  }
}

/** Replies in order, for one who asks. */
class Inbox {
  private readonly replies: TaskReply[] = [];
  private wake = (): void => {};

  put(reply: TaskReply): void {
    this.replies.push(reply);
    this.wake();
  }

  async next(): Promise<TaskReply> {
    for (;;) {
      const reply = this.replies.shift();
      if (reply) return reply;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

/** A crew of threads on shared memory. The thread that owns the model never computes and never waits: it hears when a step is done. */
import { startThread, type Thread } from "@s7l/format";
import { RuntimeError } from "../errors.ts";
import type { Arena } from "./arena.ts";
import { Control, controlWords } from "./control.ts";
import type { Crew } from "./crew.ts";
import type { Enlistment, Report } from "./crew-thread.ts";
import { script } from "./crew-thread-script.generated.ts";
import type { Heap } from "./heap.ts";
import type { Program } from "./program.ts";

/** Milliseconds for all threads to come up: compiled code is shared, so it is their start alone. */
const MUSTER = 30_000;

/** Starts `parts` threads. Throws RuntimeError `engine` where the host cannot give them; then none is left. */
export async function startCrew(
  heap: Heap,
  module: WebAssembly.Module,
  program: Program,
  arena: Arena,
  parts: number,
): Promise<Crew> {
  const address = heap.words(Array<number>(controlWords(parts, arena.tokens)).fill(0));
  const control = new Control(() => heap.i32, address, parts);
  const threads: Thread[] = [];
  let failure: RuntimeError | undefined;
  let settle: { readonly resolve: () => void; readonly reject: (error: RuntimeError) => void } | undefined;
  let ready = 0;

  const fail = (reason: string): void => {
    failure ??= new RuntimeError(
      "engine",
      `a thread of the engine failed: ${reason}; load the model again, with one thread`,
    );
    control.stop();
    settle?.reject(failure);
    settle = undefined;
  };
  const hear = (report: Report): void => {
    if (report.kind === "failed") {
      fail(report.message);
      return;
    }
    if (report.kind === "ready" && ++ready < parts) return;
    settle?.resolve();
    settle = undefined;
  };
  const settled = (): Promise<void> =>
    new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
  const stop = (): void => {
    failure ??= new RuntimeError("engine", "the model's threads have ended: load it again");
    control.stop();
    settle?.reject(failure);
    settle = undefined;
  };

  const mustered = settled();
  // Where a thread is refused at once nobody comes to wait for the others.
  mustered.catch(() => undefined);
  const late = setTimeout(() => fail(`it did not start in ${MUSTER / 1000} s`), MUSTER);
  try {
    for (let part = 0; part < parts; part++) {
      const thread = startThread(script, hear, fail);
      threads.push(thread);
      const task: Enlistment = { module, memory: heap.memory, program, arena, control: address, part, parts };
      thread.send(task);
    }
    await mustered;
  } catch (error) {
    stop();
    for (const thread of threads) thread.end();
    if (error instanceof RuntimeError) throw error;
    throw new RuntimeError("engine", "this host cannot start threads: use one", undefined, { cause: error });
  } finally {
    clearTimeout(late);
  }
  for (const thread of threads) thread.hold(false);
  const [first] = threads;

  return {
    threads: parts,
    run: async (step) => {
      if (failure) throw failure;
      // A process that waits for a step must not end; one that only holds a model may.
      first?.hold(true);
      const done = settled();
      control.order(step, heap.memory.buffer.byteLength);
      try {
        await done;
      } finally {
        first?.hold(false);
      }
    },
    stop,
  };
}

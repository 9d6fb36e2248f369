/**
 * A thread of a crew: waits for steps, walks its share of each, and tells when all are done. The build makes one script of this
 * file and what it imports (scripts/inline-script.mjs), so that no bundler has to find it.
 */
import { threadPort } from "@s7l/format";
import type { Arena } from "./arena.ts";
import { Control, Stopped } from "./control.ts";
import { walk } from "./crew.ts";
import { instantiateKernels } from "./kernels.ts";
import type { Program } from "./program.ts";
import { Walker } from "./walker.ts";

/** All that a thread is told; the weights are in the shared memory. */
export interface Enlistment {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly program: Program;
  readonly arena: Arena;
  readonly control: number;
  readonly part: number;
  readonly parts: number;
}

/** Each thread says `ready`; then, a step, the first one says `done`, and one that fails says why. */
export type Report = { readonly kind: "ready" | "done" } | { readonly kind: "failed"; readonly message: string };

/** One task comes through the port; the thread serves until the crew stops. */
const port = threadPort<Enlistment>();
port.onmessage = async ({ data }) => {
  const tell = (report: Report): void => port.postMessage(report);
  try {
    await serve(data, tell);
  } catch (error) {
    tell({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
  port.close();
};

async function serve(task: Enlistment, tell: (report: Report) => void): Promise<void> {
  const { module, memory, program, arena, control: address, part, parts } = task;
  const kernels = await instantiateKernels(module, memory);
  let view = new Int32Array(memory.buffer);
  const words = (): Int32Array => view;
  /** Another thread's growth is seen here only when asked for. */
  const grown = (pages: number): void => {
    if (view.byteLength >= pages * 65536) return;
    memory.grow(0);
    view = new Int32Array(memory.buffer);
  };
  const control = new Control(words, address, parts);
  const walker = new Walker(kernels, program, arena, { part, parts, sync: () => control.meet() }, words);
  tell({ kind: "ready" });
  try {
    for (let step = control.next(grown); step; step = control.next(grown)) {
      walk(walker, step);
      control.meet();
      if (part === 0) tell({ kind: "done" });
    }
  } catch (error) {
    if (error instanceof Stopped) return;
    control.stop();
    throw error;
  }
}

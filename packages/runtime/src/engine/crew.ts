/** Who carries out an engine's steps: this thread alone, or several others that share each step. */
import type { Arena } from "./arena.ts";
import type { Step } from "./control.ts";
import type { Kernels } from "./kernels.ts";
import type { Program } from "./program.ts";
import { Walker } from "./walker.ts";

export interface Crew {
  readonly threads: number;
  /** Carries out one step; its results then lie in the arena. One at a time. */
  readonly run: (step: Step) => Promise<void> | void;
  readonly stop: () => void;
}

/** The calling thread, which computes until a step is done. */
export function ownThread(kernels: Kernels, program: Program, arena: Arena, words: () => Int32Array): Crew {
  const walker = new Walker(kernels, program, arena, { part: 0, parts: 1, sync: () => {} }, words);
  return { threads: 1, run: (step) => walk(walker, step), stop: () => {} };
}

/** A step, in whichever thread. */
export function walk(walker: Walker, { chunk, head }: Step): void {
  if (chunk) walker.run(chunk);
  if (head) walker.head(head.from, head.count);
}

/**
 * A walk as a tape: what a walker would have kernels do is written down, and done afterwards, so that it can wait for a matrix between
 * two calls. Walkers themselves never wait.
 */
import { type Kernels, notedKernels } from "./kernels.ts";
import type { Passage, Product } from "./passing-matrix.ts";

interface Call {
  readonly kernel: keyof Kernels;
  readonly args: readonly number[];
}

/** A product, and the record of the matrix that it waits for. */
export interface Wait extends Product {
  readonly map: number;
}

/** One walk, and how far it has come. */
export class Tape {
  readonly #kernels: Kernels;
  readonly #walk: (kernels: Kernels) => void;
  #calls: readonly Call[];
  #at = 0;

  /** `walk` gives the kernels that it is given to a walker, and walks; it is called more than once. */
  constructor(kernels: Kernels, walk: (kernels: Kernels) => void) {
    this.#kernels = kernels;
    this.#walk = walk;
    this.#calls = callsOf(walk);
  }

  /** Goes on to the next product whose matrix passes by and is not made; undefined at the end. */
  proceed(passage: Passage): Wait | undefined {
    for (let call = this.#calls[this.#at]; call; call = this.#calls[this.#at]) {
      const { kernel, args } = call;
      const [map = 0, x = 0, tokens = 0, y = 0] = args;
      if (kernel === "linear" && passage.isAbsent(map)) return { map, x, tokens, y };
      Reflect.apply(this.#kernels[kernel], undefined, args);
      this.#at++;
      // Walkers read what was chosen: only now is it known what they do with it. Up to here nothing changes.
      if (kernel === "sortChoices") this.#calls = callsOf(this.#walk);
    }
    return undefined;
  }

  /** The product that was waited for is made. */
  pass(): void {
    this.#at++;
  }
}

function callsOf(walk: (kernels: Kernels) => void): readonly Call[] {
  const calls: Call[] = [];
  walk(notedKernels((kernel, args) => calls.push({ kernel, args })));
  return calls;
}

/** Plays tapes of one program to their ends, side by side: each matrix passes once for all that want it. */
export async function playTapes(tapes: readonly Tape[], passage: Passage, signal?: AbortSignal): Promise<void> {
  for (;;) {
    const waits = tapes.flatMap((tape) => {
      const wait = tape.proceed(passage);
      return wait ? [{ tape, ...wait }] : [];
    });
    // Records ascend in the order in which tokens pass them, so those that wait for a later one miss nothing.
    const next = Math.min(...waits.map(({ map }) => map));
    const ready = waits.filter(({ map }) => map === next);
    if (ready.length === 0) return;
    signal?.throwIfAborted();
    await passage.multiply(next, ready);
    for (const { tape } of ready) tape.pass();
  }
}

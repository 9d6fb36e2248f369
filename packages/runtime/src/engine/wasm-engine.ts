/** The WebAssembly engine: the interpreter's results, bit for bit, from compiled integer kernels. */
import type { Engine, EngineName, LayerState, Logits, Sequence } from "../engine.ts";
import { RuntimeError } from "../errors.ts";
import { type Arena, allocateArena } from "./arena.ts";
import { buildProgram } from "./build-program.ts";
import { Cache } from "./cache.ts";
import { type Crew, ownThread } from "./crew.ts";
import { Heap } from "./heap.ts";
import { BASE, compileKernels } from "./host.ts";
import { hasSharedMemory } from "./host-threads.ts";
import { instantiateKernels } from "./kernels.ts";
import * as HEAD from "./layout/head.ts";
import { readLogits } from "./logit-rows.ts";
import type { Program } from "./program.ts";
import { createQueue, type Queue } from "./queue.ts";
import { Scores } from "./scores.ts";
import { placeTensors, type TensorReader } from "./tensors.ts";
import { startCrew } from "./thread-crew.ts";
import type { Chunk } from "./walker.ts";

export type { TensorReader } from "./tensors.ts";

/** Threads that an engine takes at most, and does with where more are asked: the places that a token's head has. */
export const MAX_THREADS: number = HEAD.bytes / 4 - HEAD.or;

/** An engine in WebAssembly. */
export interface WasmEngine extends Engine {
  /** Bytes of its memory now: weights, arena and caches. */
  readonly memory: number;
}

export interface WasmEngineOptions {
  /** Which kernels. Default: `simd`. */
  readonly engine?: Exclude<EngineName, "interpreter"> | undefined;
  /** Threads that share each step; where the host shares no memory between threads, one. Default: 1. */
  readonly threads?: number | undefined;
}

/**
 * Reads every tensor once into WebAssembly memory and gives an engine that runs them. Throws RuntimeError `engine` where the
 * host has no SIMD128 or not enough memory, and whatever the source throws.
 */
export async function createWasmEngine(source: TensorReader, options: WasmEngineOptions = {}): Promise<WasmEngine> {
  const { engine: name = "simd", threads = 1 } = options;
  const parts = hasSharedMemory() ? Math.min(threads, MAX_THREADS) : 1;
  const heap = new Heap(BASE, parts > 1);
  const module = await compileKernels(name, parts > 1);
  const kernels = await instantiateKernels(module, heap.memory);
  const tensors = await placeTensors(heap, kernels, source);
  const program = buildProgram(heap, kernels, source.fold, tensors, name === "relaxed");
  const { vocab, context } = source.fold;
  const arena = allocateArena(heap, program, { vocab, context, parts });
  const crew =
    parts > 1
      ? await startCrew(heap, module, program, arena, parts)
      : ownThread(kernels, program, arena, () => heap.i32);
  const scores = Array.from({ length: parts }, () => new Scores(heap));
  const machine: Machine = { heap, program, arena, crew, scores, vocab, context, inTurn: createQueue() };
  idleCrews.register(machine, crew);
  return {
    name,
    threads: crew.threads,
    get memory() {
      return heap.memory.buffer.byteLength;
    },
    open: () => new WasmSequence(machine),
    close: () => crew.stop(),
  };
}

/** Ends the threads of engines that nobody holds any more. */
const idleCrews = new FinalizationRegistry<Crew>((crew) => {
  crew.stop();
});

interface Machine {
  readonly heap: Heap;
  readonly program: Program;
  readonly arena: Arena;
  readonly crew: Crew;
  /** Of each thread. */
  readonly scores: readonly Scores[];
  readonly vocab: number;
  readonly context: number;
  /** Sequences share the arena, so their calls take turns. */
  readonly inTurn: Queue;
}

/** Gives back the pages of sequences that nobody holds any more. */
const abandoned = new FinalizationRegistry<Cache>((cache) => {
  cache.release();
});

class WasmSequence implements Sequence {
  readonly #machine: Machine;
  readonly #cache: Cache;
  #length = 0;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#cache = new Cache(machine.heap, machine.program);
    abandoned.register(this, this.#cache, this);
  }

  close(): void {
    // Only what is still registered holds its pages: a second call must not free those of another sequence.
    if (abandoned.unregister(this)) void this.#machine.inTurn(() => this.#cache.release());
  }

  get length(): number {
    return this.#length;
  }

  forward(ids: readonly number[], experts: readonly number[], want: "last" | "all"): Promise<Logits> {
    return this.#machine.inTurn(() => this.#forward(ids, experts, want));
  }

  save(): Promise<readonly LayerState[]> {
    return this.#machine.inTurn(() => this.#cache.save());
  }

  restore(layers: readonly LayerState[], length: number): Promise<void> {
    return this.#machine.inTurn(() => {
      this.#cache.restore(layers);
      this.#length = length;
    });
  }

  async #forward(ids: readonly number[], experts: readonly number[], want: "last" | "all"): Promise<Logits> {
    const { arena, vocab } = this.#machine;
    this.#check(ids, experts);
    const rows = want === "all" ? ids.length : Math.min(1, ids.length);
    const logits = { vocab, mantissas: new Int32Array(rows * vocab), exponents: new Int32Array(rows) };
    for (let from = 0; from < ids.length; from += arena.tokens) {
      const count = Math.min(arena.tokens, ids.length - from);
      const firstRow = want === "all" ? from : from + count < ids.length ? undefined : 0;
      await this.#chunk(ids.slice(from, from + count), experts.slice(from, from + count), logits, firstRow);
    }
    return logits;
  }

  #check(ids: readonly number[], experts: readonly number[]): void {
    const { vocab, context, program } = this.#machine;
    if (this.#length + ids.length > context)
      throw new RuntimeError("context", `position ${this.#length + ids.length} is beyond the model's ${context}`);
    const stray = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < vocab));
    if (stray !== undefined) throw new RuntimeError("ids", `id ${stray} is not one of the model's ${vocab}`);
    for (const stage of program.stages) {
      if (stage.kind !== "routed") continue;
      const lost = ids.findIndex((_, i) => stage.experts[experts[i] ?? 0] === undefined);
      if (lost >= 0)
        throw new RuntimeError("ids", `id ${lost} of the call is routed to an expert beyond ${stage.experts.length}`);
    }
  }

  /** Runs one chunk; the logits of its last token, or of all, go to the rows from `firstRow` on; undefined: none. */
  async #chunk(
    ids: readonly number[],
    experts: readonly number[],
    logits: Logits,
    firstRow: number | undefined,
  ): Promise<void> {
    const { heap, arena, crew } = this.#machine;
    const tokens = ids.length;
    const chunk = this.#place(ids, experts);
    const last = firstRow !== undefined && logits.exponents.length === 1;
    await crew.run({ chunk, head: last ? { from: tokens - 1, count: 1 } : undefined });
    this.#advance(chunk);
    if (firstRow === undefined) return;
    if (last) return readLogits(heap, arena, logits, firstRow, 1);
    for (let from = 0; from < tokens; from += arena.logitRows) {
      const count = Math.min(arena.logitRows, tokens - from);
      await crew.run({ chunk: undefined, head: { from, count } });
      readLogits(heap, arena, logits, firstRow + from, count);
    }
  }

  /** Writes what the walker reads and makes room in the caches. */
  #place(ids: readonly number[], experts: readonly number[]): Chunk {
    const { heap, program, arena, scores } = this.#machine;
    const tokens = ids.length;
    const positions = ids.map((_, i) => this.#length + i);
    const members = [...ids.keys()].sort((a, b) => (experts[a] ?? 0) - (experts[b] ?? 0) || a - b);
    const groups: { expert: number; count: number }[] = [];
    for (const t of members) {
      const expert = experts[t] ?? 0;
      const last = groups.at(-1);
      if (last?.expert === expert) last.count++;
      else groups.push({ expert, count: 1 });
    }
    for (const stage of program.stages) {
      if (stage.kind === "layers") this.#cache.reserve(stage.stack.length, tokens);
      if (stage.kind !== "routed") continue;
      for (const { expert, count } of groups) {
        const chosen = stage.experts[expert];
        if (chosen) this.#cache.reserve(chosen.stack.length, count);
      }
    }
    const slots = scores.map((room) => room.reserve(this.#length + tokens));
    const words = heap.i32;
    words.set(ids, arena.ids / 4);
    words.set(positions, arena.positions / 4);
    words.set(members, arena.members / 4);
    words.set(
      members.map((t) => positions[t] ?? 0),
      arena.memberPositions / 4,
    );
    return { tokens, directory: this.#cache.directory, scores: slots, groups };
  }

  /** Counts the chunk's tokens as in the caches. */
  #advance({ tokens, groups }: Chunk): void {
    for (const stage of this.#machine.program.stages) {
      if (stage.kind === "layers") this.#cache.advance(stage.stack.length, tokens);
      if (stage.kind !== "routed") continue;
      for (const { expert, count } of groups) {
        const chosen = stage.experts[expert];
        if (chosen) this.#cache.advance(chosen.stack.length, count);
      }
    }
    this.#length += tokens;
  }
}

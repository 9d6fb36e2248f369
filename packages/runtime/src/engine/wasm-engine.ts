/** The WebAssembly engine: the interpreter's results, bit for bit, from compiled integer kernels. */
import type { Engine, EngineName, Logits, Sequence } from "../engine.ts";
import { RuntimeError } from "../errors.ts";
import { type Arena, allocateArena } from "./arena.ts";
import { Cache } from "./cache.ts";
import { Heap } from "./heap.ts";
import { BASE, kernelsOf } from "./host.ts";
import { buildProgram, type Program } from "./program.ts";
import { placeTensors, type TensorReader } from "./tensors.ts";
import { type Chunk, Walker } from "./walker.ts";

export type { TensorReader } from "./tensors.ts";

/** An engine in WebAssembly. */
export interface WasmEngine extends Engine {
  /** Bytes of its memory now: weights, arena and caches. */
  readonly memory: number;
}

export interface WasmEngineOptions {
  /** Which kernels. Default: `simd`. */
  readonly engine?: Exclude<EngineName, "interpreter"> | undefined;
  /** Only 1 so far. */
  readonly threads?: number | undefined;
}

/**
 * Reads every tensor once into WebAssembly memory and gives an engine that runs them. Throws RuntimeError `engine` where the
 * host has no SIMD128 or not enough memory, and whatever the source throws.
 */
export async function createWasmEngine(source: TensorReader, options: WasmEngineOptions = {}): Promise<WasmEngine> {
  const { engine: name = "simd", threads = 1 } = options;
  if (threads !== 1)
    throw new RuntimeError("option", `the engine runs on one thread so far, not ${threads}: leave the option out`);
  const heap = new Heap(BASE, false);
  const kernels = await kernelsOf(name, heap);
  const tensors = await placeTensors(heap, kernels, source);
  const program = buildProgram(heap, kernels, source.fold, tensors, name === "relaxed");
  const arena = allocateArena(heap, program, { vocab: source.fold.vocab, context: source.fold.context, parts: 1 });
  kernels.setLimbs(arena.limbs[0] ?? 0);
  const walker = new Walker(kernels, program, arena, { part: 0, parts: 1, sync: () => {} }, () => heap.i32);
  const scores = new Scores(heap);
  const { vocab, context } = source.fold;
  return {
    name,
    get memory() {
      return heap.memory.buffer.byteLength;
    },
    open: () => new WasmSequence({ heap, program, arena, walker, scores, vocab, context }),
  };
}

/** Room for the attention scores of one token and head; grows with the longest sequence. */
class Scores {
  readonly #heap: Heap;
  #address = 0;
  #slots = 0;

  constructor(heap: Heap) {
    this.#heap = heap;
  }

  /** Address of room for so many slots, rounded out to blocks on both sides. */
  reserve(slots: number): number {
    if (slots > this.#slots) {
      if (this.#slots > 0) this.#heap.free(this.#address, (this.#slots + 64) * 4);
      this.#slots = Math.max(slots, 2 * this.#slots, 1024);
      this.#address = this.#heap.allocate((this.#slots + 64) * 4);
    }
    return this.#address;
  }
}

interface Machine {
  readonly heap: Heap;
  readonly program: Program;
  readonly arena: Arena;
  readonly walker: Walker;
  readonly scores: Scores;
  readonly vocab: number;
  readonly context: number;
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
    if (abandoned.unregister(this)) this.#cache.release();
  }

  get length(): number {
    return this.#length;
  }

  forward(ids: readonly number[], experts: readonly number[], want: "last" | "all"): Logits {
    const { arena, vocab } = this.#machine;
    this.#check(ids, experts);
    const rows = want === "all" ? ids.length : Math.min(1, ids.length);
    const logits = { vocab, mantissas: new Int32Array(rows * vocab), exponents: new Int32Array(rows) };
    for (let from = 0; from < ids.length; from += arena.tokens) {
      const count = Math.min(arena.tokens, ids.length - from);
      const firstRow = want === "all" ? from : from + count < ids.length ? undefined : 0;
      this.#chunk(ids.slice(from, from + count), experts.slice(from, from + count), logits, firstRow);
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
  #chunk(ids: readonly number[], experts: readonly number[], logits: Logits, firstRow: number | undefined): void {
    const { arena, walker } = this.#machine;
    const tokens = ids.length;
    const chunk = this.#place(ids, experts);
    walker.run(chunk);
    this.#advance(chunk);
    if (firstRow === undefined) return;
    if (logits.exponents.length === 1) {
      walker.head(tokens - 1, 1);
      this.#readLogits(logits, firstRow, 1);
      return;
    }
    for (let t = 0; t < tokens; t += arena.logitRows) {
      const count = Math.min(arena.logitRows, tokens - t);
      walker.head(t, count);
      this.#readLogits(logits, firstRow + t, count);
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
    const score = scores.reserve(this.#length + tokens);
    const words = heap.i32;
    words.set(ids, arena.ids / 4);
    words.set(positions, arena.positions / 4);
    words.set(members, arena.members / 4);
    words.set(
      members.map((t) => positions[t] ?? 0),
      arena.memberPositions / 4,
    );
    return { tokens, directory: this.#cache.directory, scores: [score], groups };
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

  #readLogits({ vocab, mantissas, exponents }: Logits, row: number, count: number): void {
    const { heap, arena } = this.#machine;
    const { data, heads, pitch } = arena.logitPlace;
    const words = heap.i32;
    for (let i = 0; i < count; i++) {
      const from = (data + i * pitch) / 4;
      mantissas.set(words.subarray(from, from + vocab), (row + i) * vocab);
      exponents[row + i] = words[(heads + i * 64) / 4] ?? 0;
    }
  }
}

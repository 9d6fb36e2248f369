/**
 * The key-value cache of one sequence: pages of 64 slots, taken as a sequence grows, found by a table a layer. Kernels and
 * walkers read the directory: first a length a stack, then the address of each layer's table.
 */
import type { LayerState } from "../engine.ts";
import type { Heap } from "./heap.ts";
import { PAGE_SLOTS } from "./layout/sizes.ts";
import { emptyState, readPage, shapeOf, writePage } from "./page.ts";
import type { Program } from "./program.ts";

interface Table {
  address: number;
  capacity: number;
  pages: number[];
}

export class Cache {
  /** Address of the directory. */
  readonly directory: number;
  readonly #heap: Heap;
  readonly #program: Program;
  readonly #tables: Table[];

  constructor(heap: Heap, program: Program) {
    this.#heap = heap;
    this.#program = program;
    this.directory = heap.allocate(directoryBytes(program));
    heap.i32.fill(0, this.directory / 4, this.directory / 4 + program.stacks.length);
    this.#tables = program.pageBytes.map(() => ({ address: 0, capacity: 0, pages: [] }));
  }

  /** Slots in use of a stack. */
  lengthOf(stack: number): number {
    return this.#heap.i32[this.directory / 4 + stack] ?? 0;
  }

  /** Makes room for so many slots more in every layer of a stack; what is allocated stays even if the tokens never come. */
  reserve(stack: number, tokens: number): void {
    const slots = this.lengthOf(stack) + tokens;
    const layers = this.#program.stacks[stack]?.layers ?? [];
    for (const { attention } of layers) this.#grow(attention.cache, Math.ceil(slots / PAGE_SLOTS), attention.pageBytes);
  }

  /** Takes slots into use; they must have been reserved. */
  advance(stack: number, tokens: number): void {
    const at = this.directory / 4 + stack;
    const words = this.#heap.i32;
    words[at] = (words[at] ?? 0) + tokens;
  }

  /** A copy of what every layer remembers, stack after stack. */
  save(): readonly LayerState[] {
    return this.#program.stacks.flatMap((stack) => {
      const slots = this.lengthOf(stack.length);
      return stack.layers.map(({ attention }) => {
        const shape = shapeOf(this.#heap, attention.record);
        const state = emptyState(shape, slots);
        this.#tables[attention.cache]?.pages.forEach((page, i) => {
          const bytes = this.#heap.bytes(page, attention.pageBytes);
          readPage(bytes, shape, state, i * PAGE_SLOTS, Math.min(slots, (i + 1) * PAGE_SLOTS));
        });
        return state;
      });
    });
  }

  /** Takes over what another cache of the same fold remembered. This one must be empty. */
  restore(states: readonly LayerState[]): void {
    let layer = 0;
    for (const stack of this.#program.stacks) {
      const slots = states[layer]?.slots ?? 0;
      this.reserve(stack.length, slots);
      for (const { attention } of stack.layers) {
        const state = states[layer++];
        if (!state) continue;
        const shape = shapeOf(this.#heap, attention.record);
        this.#tables[attention.cache]?.pages.forEach((page, i) => {
          const bytes = this.#heap.bytes(page, attention.pageBytes);
          writePage(bytes, shape, state, i * PAGE_SLOTS, Math.min(slots, (i + 1) * PAGE_SLOTS));
        });
      }
      this.advance(stack.length, slots);
    }
  }

  /** Gives every page back. The cache must not be used afterwards. */
  release(): void {
    this.#tables.forEach(({ address, capacity, pages }, cache) => {
      for (const page of pages) this.#heap.free(page, this.#program.pageBytes[cache] ?? 0);
      if (capacity > 0) this.#heap.free(address, capacity * 4);
    });
    this.#heap.free(this.directory, directoryBytes(this.#program));
  }

  #grow(cache: number, pages: number, pageBytes: number): void {
    const table = this.#tables[cache];
    if (!table || table.pages.length >= pages) return;
    if (pages > table.capacity) {
      const capacity = Math.max(pages, 2 * table.capacity, 16);
      const address = this.#heap.allocate(capacity * 4);
      if (table.capacity > 0) this.#heap.free(table.address, table.capacity * 4);
      this.#heap.i32.set(table.pages, address / 4);
      table.address = address;
      table.capacity = capacity;
      this.#heap.i32[this.directory / 4 + this.#program.stacks.length + cache] = address;
    }
    while (table.pages.length < pages) {
      const page = this.#heap.allocate(pageBytes);
      this.#heap.i32[table.address / 4 + table.pages.length] = page;
      table.pages.push(page);
    }
  }
}

const directoryBytes = ({ stacks, pageBytes }: Program): number => (stacks.length + pageBytes.length) * 4;

/** Attention scores of a thread. */
import type { Heap } from "./heap.ts";

/** Queries that attention takes at once: QUERIES of assembly/attention.ts. */
const QUERIES = 8;

/** Room for the attention scores of so many queries; grows with the longest sequence. */
export class Scores {
  readonly #heap: Heap;
  #address = 0;
  #slots = 0;

  constructor(heap: Heap) {
    this.#heap = heap;
  }

  /** Address of room for so many slots a query, rounded out to blocks on both sides. */
  reserve(slots: number): number {
    if (slots > this.#slots) {
      if (this.#slots > 0) this.#heap.free(this.#address, QUERIES * (this.#slots + 64) * 4);
      this.#slots = Math.max(slots, 2 * this.#slots, 1024);
      this.#address = this.#heap.allocate(QUERIES * (this.#slots + 64) * 4);
    }
    return this.#address;
  }
}

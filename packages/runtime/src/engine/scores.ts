/** Attention scores of a thread. */
import type { Heap } from "./heap.ts";
import { BLOCK_SLOTS, QUERIES } from "./layout/sizes.ts";

/** Bytes for so many slots a query, rounded out to blocks on both sides. */
export const scoresBytes = (slots: number): number => QUERIES * (slots + 2 * BLOCK_SLOTS) * 4;

/** Room for the attention scores of so many queries; grows with the longest sequence. */
export class Scores {
  readonly #heap: Heap;
  #address = 0;
  #slots = 0;

  constructor(heap: Heap) {
    this.#heap = heap;
  }

  /** Address of room for so many slots a query. */
  reserve(slots: number): number {
    if (slots > this.#slots) {
      if (this.#slots > 0) this.#heap.free(this.#address, scoresBytes(this.#slots));
      this.#slots = Math.max(slots, 2 * this.#slots, 1024);
      this.#address = this.#heap.allocate(scoresBytes(this.#slots));
    }
    return this.#address;
  }
}

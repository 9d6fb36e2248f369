/** WebAssembly memory, given out in pieces. */
import { RuntimeError } from "../errors.ts";

const PAGE = 65536;
/** 4 GiB: what 32-bit addresses reach. */
const MAX_PAGES = 65536;
/** The least that memory grows by. */
const STEP = 1 << 20;

/** A word of each name: the fields of a record, or where they stand in it. */
export type Words<Name extends string> = Readonly<Record<Name, number>>;

/**
 * Pieces are aligned to 64 bytes and zeroed when new. Freed ones are kept by size and given again as they are. Growing
 * replaces the buffer: views are taken fresh from `i32` and `bytes` each time.
 */
export class Heap {
  readonly memory: WebAssembly.Memory;
  readonly #free = new Map<number, number[]>();
  #top: number;
  #words: Int32Array;

  /** `base`: bytes kept for the module's own data. */
  constructor(base: number, shared: boolean) {
    this.memory = new WebAssembly.Memory({ initial: Math.ceil(base / PAGE), maximum: MAX_PAGES, shared });
    this.#top = align(base);
    this.#words = new Int32Array(this.memory.buffer);
  }

  /** All memory as words; valid until the next allocation. */
  get i32(): Int32Array {
    if (this.#words.buffer !== this.memory.buffer) this.#words = new Int32Array(this.memory.buffer);
    return this.#words;
  }

  /** A view; valid until the next allocation. */
  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length);
  }

  /** Bytes given out so far. */
  get size(): number {
    return this.#top;
  }

  allocate(bytes: number): number {
    const size = align(Math.max(bytes, 1));
    const known = this.#free.get(size)?.pop();
    if (known !== undefined) return known;
    const address = this.#top;
    this.reserve(size);
    this.#top = address + size;
    return address;
  }

  /** Makes room for so many bytes more, in one step. */
  reserve(bytes: number): void {
    const missing = this.#top + bytes - this.memory.buffer.byteLength;
    if (missing <= 0) return;
    const room = MAX_PAGES - this.memory.buffer.byteLength / PAGE;
    const needed = Math.ceil(missing / PAGE);
    const pages = Math.max(needed, Math.min(room, STEP / PAGE));
    try {
      if (needed > room) throw new RangeError();
      this.memory.grow(pages);
    } catch (cause) {
      const wanted = Math.ceil((this.#top + bytes) / STEP);
      throw new RuntimeError(
        "engine",
        `the host cannot give the engine ${wanted} MiB of memory: use a smaller model, a shorter context or the interpreter`,
        undefined,
        { cause },
      );
    }
  }

  free(address: number, bytes: number): void {
    const size = align(Math.max(bytes, 1));
    const list = this.#free.get(size);
    if (list) list.push(address);
    else this.#free.set(size, [address]);
  }

  /** Takes back all that was allocated since {@link size} was `mark`, and zeroes it. */
  release(mark: number): void {
    this.bytes(mark, this.#top - mark).fill(0);
    this.#top = mark;
    for (const [size, addresses] of this.#free)
      this.#free.set(
        size,
        addresses.filter((address) => address < mark),
      );
  }

  /** Places words in a row; gives their address. */
  words(words: readonly number[]): number {
    const address = this.allocate(words.length * 4);
    this.i32.set(words, address / 4);
    return address;
  }

  /** Places a record, whose layout is a module of ./layout: every field by its name. */
  record<Name extends string>(layout: Words<Name>, fields: Words<NoInfer<Name>>): number {
    const words: number[] = [];
    for (const name in layout) words[layout[name]] = fields[name];
    return this.words(words);
  }
}

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

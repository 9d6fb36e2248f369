/**
 * What a crew's threads share beside the model: the command that they carry out and the barrier at which they meet. Words in
 * shared memory, each of what is written apart from others on its own cache line.
 */
import type { Chunk } from "./walker.ts";

/** One step: tokens through the layers, logits of some of the tokens, or both. */
export interface Step {
  readonly chunk: Chunk | undefined;
  /** Tokens of the chunk last run whose logits are wanted. */
  readonly head: { readonly from: number; readonly count: number } | undefined;
}

const LINE = 16;
/** Counts commands; a change is what threads wait for. */
const COMMAND = 0;
/** Counts meetings; a change is what threads at the barrier wait for. */
const MEETING = LINE;
const ARRIVED = 2 * LINE;
/** Threads that sleep, at either place: only they need to be woken. */
const SLEEPING = 3 * LINE;
const STOPPED = 4 * LINE;
/** The command itself. */
const SIZE = 5 * LINE;
const TOKENS = SIZE + 1;
const DIRECTORY = SIZE + 2;
const HEAD_FROM = SIZE + 3;
const HEAD_COUNT = SIZE + 4;
const GROUPS = SIZE + 5;
const LISTS = 6 * LINE;

/** Looks before a thread goes to sleep: about 0.1 ms, which most waits for another share do not reach; to be woken takes as long. */
const SPINS = 20000;

/** Words of a control block for so many threads and tokens a chunk. */
export const controlWords = (parts: number, tokens: number): number => LISTS + parts + 2 * tokens;

/** Thrown in a thread whose crew has stopped, by order or because another thread failed. */
export class Stopped extends Error {}

/** A control block at `base`, in words, of memory that `words` gives a view of. */
export class Control {
  readonly #words: () => Int32Array;
  readonly #base: number;
  readonly #parts: number;
  #seen = 0;

  constructor(words: () => Int32Array, address: number, parts: number) {
    this.#words = words;
    this.#base = address / 4;
    this.#parts = parts;
  }

  /** Gives every thread a step. `bytes`: the size of the memory, which may have grown since the last. */
  order({ chunk, head }: Step, bytes: number): void {
    const words = this.#words();
    const at = this.#base;
    words[at + SIZE] = bytes / 65536;
    words[at + TOKENS] = chunk?.tokens ?? 0;
    words[at + DIRECTORY] = chunk?.directory ?? 0;
    words[at + HEAD_FROM] = head?.from ?? 0;
    words[at + HEAD_COUNT] = head?.count ?? 0;
    words[at + GROUPS] = chunk?.groups.length ?? 0;
    words.set(chunk?.scores ?? [], at + LISTS);
    words.set(chunk?.groups.flatMap(({ expert, count }) => [expert, count]) ?? [], at + LISTS + this.#parts);
    this.#ring(COMMAND);
  }

  /** Waits for the next step, in a thread; undefined once the crew has stopped. */
  next(grown: (pages: number) => void): Step | undefined {
    this.#seen = this.#await(COMMAND, this.#seen);
    if (this.#stopped()) return undefined;
    grown((this.#words()[this.#base + SIZE] ?? 0) >>> 0);
    const words = this.#words();
    const word = (i: number): number => words[this.#base + i] ?? 0;
    const lists = LISTS + this.#parts;
    const tokens = word(TOKENS);
    const count = word(HEAD_COUNT);
    return {
      chunk:
        tokens === 0
          ? undefined
          : {
              tokens,
              // An address: beyond 2 GiB the word is negative.
              directory: word(DIRECTORY) >>> 0,
              scores: Array.from({ length: this.#parts }, (_, part) => word(LISTS + part)),
              groups: Array.from({ length: word(GROUPS) }, (_, g) => ({
                expert: word(lists + 2 * g),
                count: word(lists + 2 * g + 1),
              })),
            },
      head: count === 0 ? undefined : { from: word(HEAD_FROM), count },
    };
  }

  /** Waits until every thread has come here. Throws {@link Stopped}. */
  meet(): void {
    const words = this.#words();
    const meeting = Atomics.load(words, this.#base + MEETING);
    // A crew that stops after this line rings a bell that is not `meeting`; one that had stopped would ring none any more.
    if (this.#stopped()) throw new Stopped();
    if (Atomics.add(words, this.#base + ARRIVED, 1) === this.#parts - 1) {
      Atomics.store(words, this.#base + ARRIVED, 0);
      this.#ring(MEETING);
    } else {
      this.#await(MEETING, meeting);
    }
    if (this.#stopped()) throw new Stopped();
  }

  /** Stops the crew for good and wakes every thread. */
  stop(): void {
    Atomics.store(this.#words(), this.#base + STOPPED, 1);
    this.#ring(COMMAND);
    this.#ring(MEETING);
  }

  #stopped(): boolean {
    return Atomics.load(this.#words(), this.#base + STOPPED) !== 0;
  }

  #ring(bell: number): void {
    const words = this.#words();
    Atomics.add(words, this.#base + bell, 1);
    // Who falls asleep after this line finds the bell rung and wakes at once.
    if (Atomics.load(words, this.#base + SLEEPING) > 0) Atomics.notify(words, this.#base + bell);
  }

  /** Waits until a bell no longer shows `seen`; gives what it shows. */
  #await(bell: number, seen: number): number {
    const words = this.#words();
    const at = this.#base + bell;
    for (let i = 0; i < SPINS; i++) if (Atomics.load(words, at) !== seen) return Atomics.load(words, at);
    Atomics.add(words, this.#base + SLEEPING, 1);
    while (Atomics.load(words, at) === seen) Atomics.wait(words, at, seen);
    Atomics.sub(words, this.#base + SLEEPING, 1);
    return Atomics.load(words, at);
  }
}

/** Tensors read into shared memory on several threads, each checked there by the one that read it. */
import { FormatError } from "@s7l/format";
import { ahead } from "../ahead.ts";
import { layoutOf, noteTensor, type VerifiedArtifact } from "../artifact.ts";
import { startTeam } from "./team.ts";

/** A tensor to read, and memory of its span's length. */
export interface Reading {
  readonly name: string;
  readonly target: Uint8Array;
}

export interface ReadOptions {
  /** Threads that read: as in `ThreadOptions`. */
  readonly threads: number;
  readonly signal?: AbortSignal;
}

/** Tensors under way at a time where this thread is alone: the next is on its way while one is hashed. */
const AHEAD = 2;

/**
 * Reads tensors as `artifact.readInto` does. Threads help where {@link verifyOnThreads} has help of them, and only with memory that is
 * shared. What they do not vouch for this thread reads and checks. Throws what `readInto` throws; then no memory that was given is to be used.
 */
export async function readOnThreads(
  artifact: VerifiedArtifact,
  readings: readonly Reading[],
  { threads, signal }: ReadOptions,
): Promise<void> {
  signal?.throwIfAborted();
  const { place, sealed } = layoutOf(artifact);
  const { shared } = place.source;
  const left = new Map(readings.map(({ name, target }) => [name, target]));
  if (left.size < readings.length) throw new FormatError("range", "a tensor is to be read twice at once");
  if (shared && !place.cache && threads > 1 && typeof SharedArrayBuffer === "function") {
    const work = sealed.flatMap(({ tensor, record }) => {
      const target = left.get(tensor.name);
      const fits = target?.length === tensor.length && target.buffer instanceof SharedArrayBuffer;
      return fits ? [{ tensor, record, target }] : [];
    });
    const onHeld = (name: string): void => {
      left.delete(name);
      noteTensor(artifact, name);
    };
    if (work.length > 0) await startTeam(shared, threads, signal).check(place, work, onHeld);
  }
  const options = signal ? { signal } : {};
  for await (const _ of ahead(left, AHEAD, ([name, target]) => artifact.readInto(name, target, options)));
}

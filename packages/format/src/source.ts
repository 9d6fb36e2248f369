/**
 * Where bytes come from and go to: the only way anything here touches a file, a Blob or the network. A source checks its
 * own bounds, so a caller's wrong number ends in FormatError `range`, never in a short read.
 */
import { FormatError } from "./errors.ts";

/** What another thread of this process opens the same bytes by: the descriptor of an open file, or a Blob. */
export type SharedBytes =
  | { readonly kind: "file"; readonly descriptor: number; readonly size: number }
  | { readonly kind: "blob"; readonly blob: Blob };

/** Random access to a fixed number of bytes. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`; the caller must not write to them. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** The same straight into memory of the caller, where the source can. */
  readInto?(offset: number, target: Uint8Array): Promise<void>;
  /** Refuses (FormatError `io`) if what was read may have changed since the source was opened. */
  assertUnchanged?(): Promise<void>;
  /** Absent where the bytes are within this thread's reach alone. */
  readonly shared?: SharedBytes;
}

/** The file of a sink, for other threads of this process to write to. */
export interface DirectSink {
  readonly path: string;
  readonly descriptor: number;
  /** Tells the sink what another thread has written. */
  written(offset: number, length: number): void;
}

/** Random-access writing. Bytes may be reused by the caller once the promise is settled. */
export interface ByteSink {
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Absent where the sink is within this thread's reach alone. */
  readonly direct?: DirectSink;
}

/** A sink whose bytes can be read back: what sealing needs, to show the draft to whoever runs the golden prompts. */
export interface ByteStore extends ByteSink {
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Its first `size` bytes as a source, where it has a better one than `read` makes: one that other threads can share. */
  source?(size: number): ByteSource;
}

/** The first `size` bytes of a store. */
export function storeSource(store: ByteStore, size: number): ByteSource {
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    assertRange(size, offset, length);
    return store.read(offset, length);
  };
  return store.source?.(size) ?? { size, read };
}

/** Refuses a range that does not lie in a source of `size` bytes. */
export function assertRange(size: number, offset: number, length: number): void {
  const valid = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!valid || offset > size - length) {
    throw new FormatError("range", `${length} bytes at ${offset} are not within ${size} bytes`);
  }
}

/** Fills `target` from a source, without a copy where the source can. */
export async function readInto(source: ByteSource, offset: number, target: Uint8Array): Promise<void> {
  if (source.readInto) return source.readInto(offset, target);
  const bytes = await source.read(offset, target.length);
  if (bytes.length !== target.length)
    throw new FormatError("io", `a source gave ${bytes.length} bytes for ${target.length}`);
  target.set(bytes);
}

/** Bytes in memory; reads are views. */
export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: async (offset, length) => {
      assertRange(bytes.length, offset, length);
      return bytes.subarray(offset, offset + length);
    },
  };
}

/** A Blob or File of the browser. */
export function blobSource(blob: Blob): ByteSource {
  return {
    size: blob.size,
    shared: { kind: "blob", blob },
    read: async (offset, length) => {
      assertRange(blob.size, offset, length);
      try {
        const bytes = new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
        if (bytes.length === length) return bytes;
      } catch (cause) {
        throw new FormatError("io", `the file could not be read at ${offset}: it was moved or changed`, undefined, {
          cause,
        });
      }
      throw new FormatError("io", `the file ended at ${offset} while ${length} bytes were read`);
    },
  };
}

/** A growing buffer in memory. `bytes()` is what was written; gaps are zeros. */
export function memorySink(): ByteStore & { bytes(): Uint8Array } {
  let buffer = new Uint8Array(1 << 12);
  let size = 0;
  const grow = (end: number): void => {
    if (end <= buffer.length) return;
    let capacity = buffer.length;
    while (capacity < end) capacity *= 2;
    const grown = new Uint8Array(capacity);
    grown.set(buffer);
    buffer = grown;
  };
  return {
    write: async (offset, bytes) => {
      assertRange(Number.MAX_SAFE_INTEGER, offset, bytes.length);
      grow(offset + bytes.length);
      buffer.set(bytes, offset);
      size = Math.max(size, offset + bytes.length);
    },
    read: async (offset, length) => {
      assertRange(size, offset, length);
      return buffer.slice(offset, offset + length);
    },
    bytes: () => buffer.subarray(0, size),
  };
}

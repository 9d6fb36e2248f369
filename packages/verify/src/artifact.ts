/**
 * `VerifiedArtifact`: the only thing that the runtime takes, and only this package makes one.
 */
import {
  type Abi,
  type Component,
  createSha256,
  type Fold,
  FormatError,
  type Gate,
  type GoldenPrompt,
  type Header,
  type LexicalTable,
  type Meta,
  type PlacedTensor,
  type PlannedTensor,
  type Policy,
  type Provenance,
  type TensorRecord,
  type Vocabulary,
} from "@s7l/format";
import { type ChunkBuffers, chunkBuffers } from "./chunk-buffers.ts";
import { readEnvelope } from "./envelope.ts";
import { Ledger } from "./ledger.ts";
import { readLeaves, readTensor, type TensorPlace } from "./tensor-reader.ts";

/** What verification has established, before any tensor is read. */
export interface VerifiedFront {
  readonly header: Header;
  /** Bytes of the artifact. */
  readonly size: number;
  readonly fold: Fold;
  readonly lexical: LexicalTable | undefined;
  readonly vocabulary: Vocabulary;
  readonly meta: Meta;
  readonly policy: Policy;
  readonly golden: readonly GoldenPrompt[];
  readonly gate: Gate;
  readonly abi: Abi;
  readonly components: readonly Component[];
  readonly provenance: readonly Provenance[];
  readonly records: readonly TensorRecord[];
  readonly tensors: readonly PlacedTensor[];
  readonly leaves: number;
  readonly place: TensorPlace;
}

/** Chunks verified so far, of all. */
export interface Coverage {
  readonly chunks: number;
  readonly total: number;
}

/** Held by this module alone: without it the constructor throws. */
const KEY = Symbol("verified");

/** What `verify` does with an artifact that others cannot; set by the class, which alone has its private parts. */
interface Inside {
  check(artifact: VerifiedArtifact, name: string, options: CheckOptions): Promise<void>;
  note(artifact: VerifiedArtifact, name: string): void;
  layout(artifact: VerifiedArtifact): SealedLayout;
}
let inside: Inside;

/** A tensor's place in DATA, and its sealed record. */
export interface SealedTensor {
  readonly tensor: PlacedTensor;
  readonly record: TensorRecord;
}

/** What checking tensors needs to know, verified. */
export interface SealedLayout {
  readonly place: TensorPlace;
  readonly sealed: readonly SealedTensor[];
}

export interface CheckOptions {
  readonly signal?: AbortSignal | undefined;
  /** For sources that fill memory. */
  readonly buffers?: ChunkBuffers;
  readonly fromCache?: boolean | undefined;
}

/**
 * An artifact whose front matter has been verified, and whose tensors are verified each time they are read. It cannot be
 * constructed, subclassed or imitated outside this package; {@link isVerifiedArtifact} tells. What it gives is frozen, and
 * bytes are copies, so nobody can change it afterwards.
 */
export class VerifiedArtifact {
  readonly #front: VerifiedFront;
  readonly #index: ReadonlyMap<string, number>;
  readonly #verified: Uint8Array;
  /** For chunks of which a part is wanted. */
  readonly #buffers: ChunkBuffers;
  #chunks = 0;

  readonly size: number;
  readonly fold: Fold;
  readonly lexical: LexicalTable | undefined;
  readonly meta: Meta;
  readonly policy: Policy;
  readonly abi: Abi;
  /** Every tensor, in sealed order; what the fold plans. */
  readonly plan: readonly PlannedTensor[];

  /** @internal */
  constructor(key: typeof KEY, front: VerifiedFront) {
    if (key !== KEY || new.target !== VerifiedArtifact)
      throw new FormatError("schema", "only verify makes a VerifiedArtifact");
    this.#front = front;
    this.#index = new Map(front.tensors.map(({ name }, index) => [name, index]));
    this.#verified = new Uint8Array(Math.ceil(front.leaves / 8));
    this.#buffers = chunkBuffers(front.place.chunkSize);
    this.size = front.size;
    this.fold = deepFreeze(front.fold);
    this.lexical = deepFreeze(front.lexical);
    this.meta = deepFreeze(front.meta);
    this.policy = deepFreeze(front.policy);
    this.abi = deepFreeze(front.abi);
    this.plan = deepFreeze(
      front.tensors.map(({ name, dtype, shape, component }) => ({ name, dtype, shape, component })),
    );
    Object.freeze(this);
  }

  /** R, 32 bytes; a copy. */
  get root(): Uint8Array {
    return this.#front.header.root.slice();
  }

  /** The header, which the root commits to; a copy. */
  get header(): Header {
    return structuredClone(this.#front.header);
  }

  /** The sealed tokenizer or vocabulary; a copy. */
  get vocabulary(): Vocabulary {
    return structuredClone(this.#front.vocabulary);
  }

  /** The sealed golden prompts; a copy. */
  get golden(): readonly GoldenPrompt[] {
    return structuredClone(this.#front.golden);
  }

  /** The CM-1 record; a copy. */
  get gate(): Gate {
    return structuredClone(this.#front.gate);
  }

  /** Components with their roots, in sealed order; a copy. */
  get components(): readonly Component[] {
    return structuredClone(this.#front.components);
  }

  /** The sealed record of a tensor (place, component, root T); a copy. */
  record(name: string): TensorRecord {
    return structuredClone(at(this.#front.records, this.#indexOf(name)));
  }

  /** Method, sources and source hash of a tensor; a copy. */
  provenance(name: string): Provenance {
    return structuredClone(at(this.#front.provenance, this.#indexOf(name)));
  }

  /** How much of the artifact's data has been verified by reading it. */
  coverage(): Coverage {
    return { chunks: this.#chunks, total: this.#front.leaves };
  }

  /**
   * A tensor's span (`spanLayout`), every chunk of it checked against its sealed leaf and the rules of its content. Throws
   * VerifyError, or the S7lError of a failing source.
   */
  async read(name: string, options: { readonly signal?: AbortSignal } = {}): Promise<Uint8Array> {
    const target = new Uint8Array(at(this.#front.tensors, this.#indexOf(name)).length);
    await this.readInto(name, target, options);
    return target;
  }

  /**
   * The same straight into memory of the caller, whose length is the span's. It is checked in place, after the bytes have
   * arrived; if anything is wrong, the memory is zeroed before this throws. WebAssembly memory must not grow meanwhile.
   */
  async readInto(name: string, target: Uint8Array, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const index = this.#indexOf(name);
    const tensor = at(this.#front.tensors, index);
    if (target.length !== tensor.length) {
      throw new FormatError(
        "range",
        `tensor "${name}" has ${tensor.length} bytes, the memory given ${target.length}`,
        name,
      );
    }
    await this.#readTensor(index, target, options);
  }

  /**
   * A part of a tensor's span, `target` long from `offset` on, each chunk of it checked against its leaf; for who cannot hold the whole.
   * A tensor that was not verified yet is, first, so that the rules of its content hold for the part too. Otherwise as `readInto`.
   */
  async readRange(
    name: string,
    offset: number,
    target: Uint8Array,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const index = this.#indexOf(name);
    const { place, tensors, records } = this.#front;
    const tensor = at(tensors, index);
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > tensor.length - target.length) {
      throw new FormatError(
        "range",
        `${target.length} bytes at ${offset} are not within the ${tensor.length} of tensor "${name}"`,
        name,
      );
    }
    if (!this.#isVerified(tensor)) await this.#readTensor(index, undefined, { signal });
    const { chunkSize } = place;
    const end = offset + target.length;
    try {
      await readTensor(place, tensor, at(records, index), undefined, {
        signal,
        buffers: this.#buffers,
        fromCache: true,
        part: [Math.floor(offset / chunkSize), Math.ceil(end / chunkSize)],
        onChunk: (leaf, chunk) => {
          const from = (leaf - tensor.firstLeaf) * chunkSize;
          const begin = Math.max(from, offset);
          target.set(chunk.subarray(begin - from, end - from), begin - offset);
        },
      });
    } catch (error) {
      target.fill(0);
      throw error;
    }
  }

  /** The leaf hashes of a tensor's chunks, proved to give its sealed root. Throws VerifyError, or the S7lError of a failing source. */
  async leaves(name: string): Promise<readonly Uint8Array[]> {
    const index = this.#indexOf(name);
    const { place, tensors, records } = this.#front;
    return readLeaves(place, at(tensors, index), at(records, index));
  }

  /** Reads a tensor only to check it. */
  async verifyTensor(name: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.#readTensor(this.#indexOf(name), undefined, options);
  }

  /**
   * SHA-256 of the artifact's file, as stock tools sign it. Reads all of it, and holds each byte to the root on its way into
   * the hash: the digest is of the artifact, or this throws. A source that gives other bytes at another time can thus not lend
   * it the digest, and so the signature, of another file. Throws VerifyError, or the S7lError of a failing source.
   */
  async digest({ signal, fromCache }: Omit<CheckOptions, "buffers"> = {}): Promise<Uint8Array> {
    const { header, place, tensors, records } = this.#front;
    const hash = createSha256();
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      signal?.throwIfAborted();
      const bytes = (await place.source.read(offset, length)).slice();
      hash.update(bytes);
      return bytes;
    };
    // In the order of the file, every byte once: the envelope with its padding, the leaves, which are TREE, and the spans.
    const source = { size: this.size, read };
    await readEnvelope(source, header.root, new Ledger());
    for (const [i, tensor] of tensors.entries()) await readLeaves({ ...place, source }, tensor, at(records, i));
    const onChunk = (_: number, chunk: Uint8Array): void => hash.update(chunk);
    for (const [i, tensor] of tensors.entries())
      await readTensor(place, tensor, at(records, i), undefined, { signal, fromCache, part: undefined, onChunk });
    return hash.digest();
  }

  async #readTensor(index: number, target: Uint8Array | undefined, options: CheckOptions): Promise<void> {
    const { place, tensors, records } = this.#front;
    await readTensor(place, at(tensors, index), at(records, index), target, {
      ...options,
      part: undefined,
      onChunk: (leaf) => this.#note(leaf),
    });
  }

  #note(leaf: number): void {
    const byte = Math.floor(leaf / 8);
    const bit = 1 << (leaf % 8);
    const seen = this.#verified[byte] ?? 0;
    if ((seen & bit) === 0) this.#chunks++;
    this.#verified[byte] = seen | bit;
  }

  #isVerified({ firstLeaf, leaves }: PlacedTensor): boolean {
    for (let leaf = firstLeaf; leaf < firstLeaf + leaves; leaf++)
      if (((this.#verified[Math.floor(leaf / 8)] ?? 0) & (1 << (leaf % 8))) === 0) return false;
    return true;
  }

  #indexOf(name: string): number {
    const index = this.#index.get(name);
    if (index === undefined) throw new FormatError("range", `the artifact has no tensor "${name}"`, name);
    return index;
  }

  static {
    inside = {
      check: (artifact, name, options) => artifact.#readTensor(artifact.#indexOf(name), undefined, options),
      note: (artifact, name) => {
        const { firstLeaf, leaves } = at(artifact.#front.tensors, artifact.#indexOf(name));
        for (let leaf = firstLeaf; leaf < firstLeaf + leaves; leaf++) artifact.#note(leaf);
      },
      layout: (artifact) => {
        const { place, tensors, records } = artifact.#front;
        return { place, sealed: tensors.map((tensor, i) => ({ tensor, record: at(records, i) })) };
      },
    };
    // Nor can its methods be replaced, and the test of what it is.
    Object.freeze(VerifiedArtifact.prototype);
    Object.freeze(VerifiedArtifact);
  }

  /** Whether a value was made here. A copy, a proxy or an object of the same shape was not. */
  static is(value: unknown): value is VerifiedArtifact {
    return typeof value === "object" && value !== null && #front in value;
  }
}

/** Makes an artifact; for this package only (not exported by its index). */
export function makeArtifact(front: VerifiedFront): VerifiedArtifact {
  return new VerifiedArtifact(KEY, front);
}

/** Reads a tensor only to check it, by way of buffers that are used again; for this package only. */
export function checkTensor(artifact: VerifiedArtifact, name: string, options: CheckOptions): Promise<void> {
  return inside.check(artifact, name, options);
}

/** Where an artifact's tensors are, and what they must be; for this package only. */
export function layoutOf(artifact: VerifiedArtifact): SealedLayout {
  return inside.layout(artifact);
}

/** Counts a tensor as verified that another thread of this package has read and checked; for this package only. */
export function noteTensor(artifact: VerifiedArtifact, name: string): void {
  inside.note(artifact, name);
}

/** Whether a value is an artifact that this package verified. */
export function isVerifiedArtifact(value: unknown): value is VerifiedArtifact {
  return VerifiedArtifact.is(value);
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new FormatError("range", `no item ${index} of ${items.length}`);
  return item;
}

/** Freezes plain data; bytes cannot be frozen and do not occur in what passes here. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  for (const item of Object.values(value)) deepFreeze(item);
  return Object.freeze(value);
}

/**
 * A part on disk: the bytes of a shard's tensors and, beside them, the record of which are finished. Both lie in `OUT.parts`, under
 * names that carry the plan, so parts of different plans never meet.
 *
 * Nothing is locked. What a worker writes is a function of the plan, so two that work on one part, as job systems let them at
 * times, write the same bytes to the same places. And nothing needs to be synced on the way: what an earlier run left counts
 * only where it matches its leaves.
 */
import { lstat } from "node:fs/promises";
import { basename, join } from "node:path";
import { DOMAIN, equalBytes, HASH_SIZE, type PlacedTensor, sha256 } from "@s7l/format";
import { createFileSink, type FileSink, openFileSource, writeFileWhole } from "@s7l/format/file";
import type { SealedTensor } from "../data.ts";
import { PackError } from "../errors.ts";
import type { Seal } from "../finish.ts";
import { decodePartRecord, encodePartRecord } from "../part-record.ts";
import type { SealPlan } from "../plan.ts";
import { baseOfShard, type Shard, tensorsOfShard } from "../shard.ts";
import { makePartsFolder, markSealed, partName, partsFolder, removePart, removePlan } from "./parts-folder.ts";

/** Milliseconds between two writings of a record: what a kill may cost. */
const SAVE_EVERY = 5000;

/** An open part. `commit` or `suspend` ends it. */
export class PartFile {
  readonly plan: SealPlan;
  readonly shard: Shard;
  readonly store: FileSink;
  /** Offset in the artifact of the store's first byte. */
  readonly base: number;
  private readonly out: string;
  private readonly saveEvery: number;
  private readonly sealed = new Map<string, SealedTensor>();
  /** Whether an earlier run, or another worker on the same part, left bytes here. */
  private readonly found: boolean;
  private saved = false;
  private savedAt = performance.now();

  private constructor(plan: SealPlan, shard: Shard, out: string, store: FileSink, saveEvery: number) {
    this.plan = plan;
    this.shard = shard;
    this.store = store;
    this.base = baseOfShard(plan, shard);
    this.found = store.size() > 0;
    this.out = out;
    this.saveEvery = saveEvery;
  }

  /**
   * Opens a part, making it where there is none. Throws PackError `part` where its record is torn or of another plan, FormatError
   * `io` where it cannot be read or written.
   */
  static async open(plan: SealPlan, shard: Shard, out: string, saveEvery = SAVE_EVERY): Promise<PartFile> {
    await makePartsFolder(out);
    const recorded = await readRecord(plan, shard, out);
    const store = await createFileSink(out, { partial: join(partsFolder(out), `${partName(plan, shard)}.bin`) });
    const part = new PartFile(plan, shard, out, store, saveEvery);
    part.saved = recorded !== undefined;
    for (const [name, tensor] of recorded ?? []) part.sealed.set(name, tensor);
    return part;
  }

  /** What messages call it. */
  get name(): string {
    return `part ${this.shard.number} of ${this.shard.of}`;
  }

  /** Its tensors, finished or not. */
  get tensors(): readonly PlacedTensor[] {
    return tensorsOfShard(this.plan, this.shard);
  }

  /** What the record says of a tensor, or undefined where it is not finished. */
  finished({ name }: PlacedTensor): SealedTensor | undefined {
    return this.sealed.get(name);
  }

  /** A finished tensor's chunks in order, each checked against its leaf. Throws PackError `part` where one is not what was written. */
  async *chunks(tensor: PlacedTensor): AsyncGenerator<Uint8Array, void, undefined> {
    const leaves = this.sealed.get(tensor.name)?.leaves ?? new Uint8Array();
    const chunk = 2 ** this.plan.chunkLog2;
    const start = this.plan.dataOffset + tensor.offset - this.base;
    for (let at = 0, i = 0; at < tensor.length; at += chunk, i += HASH_SIZE) {
      const length = Math.min(chunk, tensor.length - at);
      if (start + at + length > this.store.size()) this.refuse(tensor, "is truncated: it ends within");
      const bytes = await this.store.read(start + at, length);
      if (!equalBytes(sha256(DOMAIN.leaf, bytes), leaves.subarray(i, i + HASH_SIZE)))
        this.refuse(tensor, "does not hold what was written of");
      yield bytes;
    }
  }

  private refuse(tensor: PlacedTensor, message: string): never {
    const again = this.shard.of === 1 ? "pack" : `pack --shard ${this.shard.number}/${this.shard.of}`;
    throw new PackError("part", `${this.name} ${message} tensor ${tensor.name}; run ${again} again`, tensor.name);
  }

  /** Checks each finished tensor against its leaves and forgets those that fail, which are then written anew. */
  async recheck(signal?: AbortSignal): Promise<void> {
    for (const tensor of this.tensors) {
      if (!this.sealed.has(tensor.name)) continue;
      try {
        for await (const _ of this.chunks(tensor)) signal?.throwIfAborted();
      } catch (error) {
        if (!(error instanceof PackError)) throw error;
        this.sealed.delete(tensor.name);
      }
    }
  }

  /** Takes note of a finished tensor, and writes the record now and then. */
  async add(tensor: SealedTensor): Promise<void> {
    this.sealed.set(tensor.name, tensor);
    if (performance.now() - this.savedAt >= this.saveEvery) await this.save();
  }

  /** Writes the record. */
  async save(): Promise<void> {
    const finished = this.tensors.flatMap((tensor) => this.sealed.get(tensor.name) ?? []);
    const path = join(partsFolder(this.out), `${partName(this.plan, this.shard)}.record`);
    await writeFileWhole(path, encodePartRecord(this.plan, this.shard, finished));
    this.saved = true;
    this.savedAt = performance.now();
  }

  /** Puts the part, which has become the artifact, under its final name, and removes what lay here of its plan. */
  async commit(seal: Seal): Promise<void> {
    await this.store.truncate(this.plan.fileSize);
    await markSealed(this.plan, this.out, seal);
    await this.store.commit();
    await removePlan(this.plan, this.out);
  }

  /** Closes it for a later run. What nothing was recorded of is of no use to one, and is removed by whoever began it. */
  async suspend(): Promise<void> {
    if (this.saved || this.found) return this.store.suspend();
    await this.store.abort();
    await removePart(this.plan, this.shard, this.out);
  }
}

async function readRecord(
  plan: SealPlan,
  shard: Shard,
  out: string,
): Promise<ReadonlyMap<string, SealedTensor> | undefined> {
  const path = join(partsFolder(out), `${partName(plan, shard)}.record`);
  if (!(await isThere(path))) return undefined;
  // A link, a pipe or a device of that name is refused, and not waited for.
  const source = await openFileSource(path);
  try {
    return decodePartRecord(await source.read(0, source.size), plan, shard, basename(path));
  } finally {
    await source.close();
  }
}

/** Whether anything has the name, a link to nothing included. */
const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    (cause: NodeJS.ErrnoException) => cause.code !== "ENOENT",
  );

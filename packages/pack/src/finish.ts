/**
 * The end of a seal: with every tensor written and its leaves known, the tree, the sections before DATA and the header. The
 * golden prompts are run on a draft whose digests are zero: the right ones change no size, and no byte of TREE or DATA.
 */
import {
  assertRange,
  type ByteSource,
  type ByteStore,
  CLASS,
  componentsOf,
  type DataLayout,
  dataRoot,
  FLAG,
  type GoldenPrompt,
  HASH_SIZE,
  HEADER_SIZE,
  joinLeaves,
  merkleRoot,
  placeSections,
  readInto,
  SECTIONS,
  type SectionEntry,
  type SectionName,
  sectionDigest,
  sha256,
  splitLeaves,
  storeSource,
  type TensorRecord,
  tableDigest,
  writeHeader,
  writeSectionTable,
} from "@s7l/format";
import type { SealedTensor } from "./data.ts";
import { PackError } from "./errors.ts";
import { encodeMetadata, type Metadata } from "./metadata.ts";
import type { Prompts, SealPlan } from "./plan.ts";

/**
 * Runs the prompts on the draft and gives the digest of each one's logits, 32 bytes. The usual body:
 * `verify(draft, { replay })`, where `replay` computes the digests of the verified artifact and keeps them. (Verify then
 * refuses the draft under V6, because its sealed digests are zero; that verdict is not wanted here.)
 */
export type GoldenCallback = (draft: ByteSource, prompts: Prompts) => Promise<readonly Uint8Array[]>;

export interface Seal {
  /** R, 32 bytes: it commits to every byte of the artifact. */
  readonly root: Uint8Array;
  /** Bytes of the artifact. */
  readonly size: number;
}

/** Writes TREE, runs the golden prompts on a draft, writes all that stands before DATA, and gives the root. `sealed` are the tensors in sealed order. */
export async function finishSeal(
  plan: SealPlan,
  sealed: readonly SealedTensor[],
  store: ByteStore,
  golden: GoldenCallback,
): Promise<Seal> {
  const { data, draft, fileSize } = plan;
  const tensors = data.tensors.map(({ name, dtype, shape, offset, length, componentIndex }, i): TensorRecord => {
    const leaves = sealed[i]?.name === name ? sealed[i].leaves : undefined;
    if (!leaves) throw new PackError("part", `tensor ${name} was not written`, name);
    return { name, dtype, shape, offset, length, component: componentIndex, root: merkleRoot(splitLeaves(leaves)) };
  });
  const components = componentsOf(data.components, tensors);
  const metadata: Metadata = {
    ...draft,
    components,
    tensors,
    provenance: draft.provenance.map((known, i) => ({ ...known, sha256: sealed[i]?.source ?? known.sha256 })),
  };
  const front: Omit<Front, "metadata"> = {
    plan,
    tree: joinLeaves(sealed.map(({ leaves }) => leaves)),
    root: dataRoot(components),
  };
  const drafted = frontOf({ ...front, metadata });
  // The tree stays as it is, and threads read it from the file. What the prompts change is in memory alone until it is known: another
  // run on the same part may have given the file its name meanwhile.
  await store.write(drafted.treeOffset, front.tree);
  const digests = await golden(withFront(storeSource(store, fileSize), drafted.bytes), plan.prompts);
  const { bytes, root } = frontOf({ ...front, metadata: { ...metadata, golden: withDigests(draft.golden, digests) } });
  await store.write(0, bytes);
  return { root, size: fileSize };
}

/** A source whose first bytes are others. */
function withFront(source: ByteSource, front: Uint8Array): ByteSource {
  const readTo = async (offset: number, target: Uint8Array): Promise<void> => {
    const own = front.subarray(offset, offset + target.length);
    target.set(own);
    const rest = target.subarray(own.length);
    if (rest.length > 0) await readInto(source, offset + own.length, rest);
  };
  return {
    ...source,
    read: async (offset, length) => {
      assertRange(source.size, offset, length);
      const bytes = new Uint8Array(length);
      await readTo(offset, bytes);
      return bytes;
    },
    readInto: async (offset, target) => {
      assertRange(source.size, offset, target.length);
      await readTo(offset, target);
    },
  };
}

interface Front {
  readonly plan: SealPlan;
  readonly metadata: Metadata;
  /** Bytes of TREE. */
  readonly tree: Uint8Array;
  /** D. */
  readonly root: Uint8Array;
}

/** Everything that stands before DATA, with its padding; R; and where TREE lies. */
function frontOf({ plan, metadata, tree, root }: Front) {
  const { data, chunkLog2 } = plan;
  const bytes = new Map(encodeMetadata(metadata)).set("TREE", tree);
  const sizes = new Map<SectionName, number>([...bytes].map(([name, { length }]) => [name, length])).set(
    "DATA",
    data.size,
  );
  const { sections, fileSize } = placeSections(sizes);
  const dataOffset = sections.at(-1)?.offset ?? 0;
  const front = new Uint8Array(dataOffset);
  const entries = sections.map(({ name, offset, size }): SectionEntry => {
    const { type, lane } = SECTIONS[name];
    const content = bytes.get(name);
    if (!content) return { type, lane, offset, size, digest: root };
    front.set(content, offset);
    return { type, lane, offset, size, digest: sectionDigest({ type, lane }, content) };
  });
  const table = writeSectionTable(entries);
  front.set(table, HEADER_SIZE);
  const experts = hasExperts(data);
  const header = writeHeader({
    class: experts ? CLASS.experts : CLASS.dense,
    flags: FLAG.int8 | FLAG.sealed | (experts ? FLAG.experts : 0),
    fileSize,
    chunkLog2,
    sectionCount: entries.length,
    tensorCount: data.tensors.length,
    componentCount: data.components.length,
    leafCount: data.leaves,
    tableDigest: tableDigest(table),
    dataRoot: root,
    metaHash: sha256(bytes.get("META") ?? new Uint8Array()),
  });
  front.set(header.bytes, 0);
  const treeOffset = sections.find(({ name }) => name === "TREE")?.offset ?? 0;
  return { bytes: front, root: header.root, treeOffset };
}

const hasExperts = (data: DataLayout): boolean => data.components.some((name) => name.startsWith("expert"));

function withDigests(golden: readonly GoldenPrompt[], digests: readonly Uint8Array[]): readonly GoldenPrompt[] {
  if (digests.length !== golden.length) {
    throw new PackError("golden", `${digests.length} digests for ${golden.length} golden prompts`);
  }
  return golden.map(({ ids }, i) => {
    const digest = digests[i];
    if (!digest || digest.length !== HASH_SIZE || digest.every((byte) => byte === 0)) {
      throw new PackError("golden", `golden prompt ${i} has no digest of ${HASH_SIZE} bytes`);
    }
    return { ids, digest };
  });
}

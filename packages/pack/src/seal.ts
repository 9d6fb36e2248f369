/**
 * `seal`: weights go in, an artifact and its root come out.
 *
 * Everything but the tensors is laid out from names and shapes before a weight is read. Then DATA is written and hashed in
 * one pass, the small sections and the header last. The golden prompts are run on the finished draft, whose digests are
 * zero; patching them changes no size and no byte of DATA.
 */
import {
  type ByteSource,
  type ByteStore,
  CHUNK_LOG2,
  CLASS,
  componentsOf,
  type DataLayout,
  dataRoot,
  FLAG,
  type GoldenPrompt,
  HASH_SIZE,
  HEADER_SIZE,
  joinLeaves,
  MAX_COMPONENTS,
  MAX_PROMPT_IDS,
  MAX_PROMPTS,
  type Policy,
  placeSections,
  placeTensors,
  SECTIONS,
  type SectionEntry,
  type SectionName,
  sectionDigest,
  sha256,
  tableDigest,
  tensorPlan,
  type WeightSource,
  writeHeader,
  writeSectionTable,
} from "@s7l/format";
import { type SealedTensor, writeTensor } from "./data.ts";
import { PackError } from "./errors.ts";
import { encodeMetadata, type Metadata } from "./metadata.ts";
import { defaultPrompts } from "./prompts.ts";

/** Token ids of the golden prompts. */
export type Prompts = readonly (readonly number[])[];

/**
 * Runs the prompts on the draft and gives the digest of each one's logits, 32 bytes. The usual body:
 * `verify(draft, { replay })`, where `replay` computes the digests of the verified artifact and keeps them. (Verify then
 * refuses the draft under V6, because its sealed digests are zero; that verdict is not wanted here.)
 */
export type GoldenCallback = (draft: ByteSource, prompts: Prompts) => Promise<readonly Uint8Array[]>;

export interface SealOptions {
  readonly golden: GoldenCallback;
  /** 1 to 64 prompts of 1 to 4096 ids, each at most the context long. Default: four drawn from the fold's hash. */
  readonly prompts?: Prompts;
  /** Chunk size as a power of two, 16 to 24; default 20 (1 MiB). Another size is another root. */
  readonly chunkLog2?: number;
  /** What may run. Default: the fold's whole context. */
  readonly policy?: Policy;
  /** Called after each tensor, with bytes of DATA. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface Seal {
  /** R, 32 bytes: it commits to every byte of the artifact. */
  readonly root: Uint8Array;
  /** Bytes of the artifact. */
  readonly size: number;
}

/**
 * Seals weights into `sink`. The same weights and options give the same bytes everywhere. Throws PackError where the weights
 * do not fit their fold or break a rule of the format; the sink then holds a torn artifact, which its owner discards.
 */
export async function seal(weights: WeightSource, sink: ByteStore, options: SealOptions): Promise<Seal> {
  const chunkLog2 = options.chunkLog2 ?? CHUNK_LOG2.usual;
  if (!Number.isInteger(chunkLog2) || chunkLog2 < CHUNK_LOG2.least || chunkLog2 > CHUNK_LOG2.most) {
    throw new PackError(
      "option",
      `a chunk of 2^${chunkLog2} bytes; 2^${CHUNK_LOG2.least} to 2^${CHUNK_LOG2.most} are allowed`,
    );
  }
  const policy = options.policy ?? { maxContext: weights.fold.context };
  assertFit(weights, policy);
  const prompts = options.prompts ?? defaultPrompts(weights.fold);
  assertPrompts(prompts, weights, policy);

  const data = placeTensors(tensorPlan(weights.fold), chunkLog2);
  if (data.components.length > MAX_COMPONENTS) {
    throw new PackError("weights", `${data.components.length} components; at most ${MAX_COMPONENTS} are allowed`);
  }
  const golden = prompts.map((ids): GoldenPrompt => ({ ids, digest: new Uint8Array(HASH_SIZE) }));
  const draft: Metadata = { weights, policy, golden, ...unsealedRecords(data, weights) };
  const { sections, fileSize } = placeSections(sectionSizes(draft, data));
  const dataOffset = sections.at(-1)?.offset ?? 0;

  const sealed: SealedTensor[] = [];
  for (const tensor of data.tensors) {
    options.signal?.throwIfAborted();
    sealed.push(await writeTensor(weights, tensor, sink, dataOffset, 2 ** chunkLog2));
    options.onProgress?.(tensor.offset + tensor.length, data.size);
  }
  const tensors = sealed.map(({ record }) => record);
  const components = componentsOf(data.components, tensors);
  const metadata: Metadata = { ...draft, components, tensors, provenance: sealed.map(({ provenance }) => provenance) };
  const tree = joinLeaves(sealed.flatMap(({ leaves }) => leaves));
  const front = { sink, data, tree, chunkLog2, root: dataRoot(components) };

  await writeFront({ ...front, metadata });
  const digests = await options.golden(
    { size: fileSize, read: (offset, length) => sink.read(offset, length) },
    prompts,
  );
  const root = await writeFront({ ...front, metadata: { ...metadata, golden: withDigests(golden, digests) } });
  return { root, size: fileSize };
}

/** Records of the right size, before their hashes are known. */
function unsealedRecords(
  data: DataLayout,
  weights: WeightSource,
): Pick<Metadata, "tensors" | "components" | "provenance"> {
  const unknown = new Uint8Array(HASH_SIZE);
  const tensors = data.tensors.map(({ name, dtype, shape, offset, length, componentIndex }) => ({
    name,
    dtype,
    shape,
    offset,
    length,
    component: componentIndex,
    root: unknown,
  }));
  return {
    tensors,
    components: componentsOf(data.components, tensors),
    provenance: data.tensors.map((tensor) => ({ ...weights.origin(tensor), sha256: unknown })),
  };
}

function sectionSizes(metadata: Metadata, data: DataLayout): ReadonlyMap<SectionName, number> {
  const sizes = new Map([...encodeMetadata(metadata)].map(([name, bytes]) => [name, bytes.length]));
  return sizes.set("TREE", data.leaves * HASH_SIZE).set("DATA", data.size);
}

interface Front {
  readonly sink: ByteStore;
  readonly metadata: Metadata;
  readonly data: DataLayout;
  /** Bytes of TREE. */
  readonly tree: Uint8Array;
  readonly chunkLog2: number;
  /** D. */
  readonly root: Uint8Array;
}

/** Writes everything that stands before DATA, with its padding, and gives R. */
async function writeFront({ sink, metadata, data, tree, chunkLog2, root }: Front): Promise<Uint8Array> {
  const bytes = new Map(encodeMetadata(metadata)).set("TREE", tree);
  const sizes = new Map([...bytes].map(([name, { length }]) => [name, length] as const)).set("DATA", data.size);
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
  await sink.write(0, front);
  return header.root;
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

function assertFit({ fold, lexical, vocabulary }: WeightSource, policy: Policy): void {
  const routed = fold.stages.some(({ kind }) => kind === "routed");
  if (routed && !lexical) throw new PackError("weights", "the fold has a routed stage, but there is no routing table");
  if (!routed && lexical) throw new PackError("weights", "there is a routing table, but the fold has no routed stage");
  if (policy.maxContext > fold.context) {
    throw new PackError("option", `the policy allows ${policy.maxContext} positions; the fold has ${fold.context}`);
  }
  for (const id of [...vocabulary.eos, ...(vocabulary.bos === undefined ? [] : [vocabulary.bos])]) {
    if (id >= fold.vocab)
      throw new PackError("weights", `special token ${id} is not below the vocabulary's ${fold.vocab}`);
  }
}

function assertPrompts(prompts: Prompts, { fold }: WeightSource, { maxContext }: Policy): void {
  if (prompts.length < 1 || prompts.length > MAX_PROMPTS) {
    throw new PackError("golden", `${prompts.length} golden prompts; 1 to ${MAX_PROMPTS} are allowed`);
  }
  const longest = Math.min(MAX_PROMPT_IDS, maxContext);
  for (const [i, ids] of prompts.entries()) {
    if (ids.length < 1 || ids.length > longest) {
      throw new PackError("golden", `golden prompt ${i} has ${ids.length} ids; 1 to ${longest} are allowed`);
    }
    const stray = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= fold.vocab);
    if (stray !== undefined)
      throw new PackError("golden", `golden prompt ${i} holds id ${stray}; the vocabulary has ${fold.vocab}`);
  }
}

/**
 * The plan of a seal: where each byte will lie and everything that is written except what follows from the weights
 * themselves. It follows from names, shapes and options, so any number of workers make the same plan and each writes its own range.
 */
import {
  CHUNK_LOG2,
  componentsOf,
  concatBytes,
  type DataLayout,
  encodeCanonical,
  type GoldenPrompt,
  HASH_SIZE,
  isAscending,
  MAX_COMPONENTS,
  MAX_PROMPT_IDS,
  MAX_PROMPTS,
  METHODS,
  type Policy,
  parseVocabularyMap,
  placeSections,
  placeTensors,
  repeatedPrompt,
  type SectionName,
  sha256,
  tensorPlan,
  type WeightSource,
} from "@s7l/format";
import { PackError } from "./errors.ts";
import { encodeMetadata, type Metadata } from "./metadata.ts";

/** Token ids of the golden prompts. */
export type Prompts = readonly (readonly number[])[];

/** What decides on an artifact besides its weights. */
export interface PlanOptions {
  /**
   * 1 to 64 prompts, each at most the context long, of 512 ids in all, none of them twice. The runtime's `goldenPrompts(weights)`, so
   * that whoever seals these weights gets this root.
   */
  readonly prompts: Prompts;
  /** Chunk size as a power of two, 16 to 24; default 20 (1 MiB). Another size is another root. */
  readonly chunkLog2?: number;
  /** What may run. Default: the fold's whole context. */
  readonly policy?: Policy;
  /**
   * What the weights are read from, as a hash of the caller's: parts made from another revision then belong to another plan, though
   * its names and shapes are the same. It is not sealed.
   */
  readonly source?: Uint8Array;
}

/** Everything that is known before a weight is read. */
export interface SealPlan {
  /** Hash of all that decides on the bytes: parts of one artifact carry the same. 32 bytes. */
  readonly id: Uint8Array;
  readonly data: DataLayout;
  /** Where DATA begins in the artifact. */
  readonly dataOffset: number;
  /** Bytes of the artifact. */
  readonly fileSize: number;
  readonly chunkLog2: number;
  readonly prompts: Prompts;
  /** The sections with zeros for each hash that is not known yet. */
  readonly draft: Metadata;
}

const PLAN_LABEL = /* @__PURE__ */ new TextEncoder().encode("s7l-seal-plan\0");

/** Plans a seal. Throws PackError where the weights do not fit their fold, or an option is out of bounds. */
export function planSeal(weights: WeightSource, options: PlanOptions): SealPlan {
  const chunkLog2 = options.chunkLog2 ?? CHUNK_LOG2.usual;
  if (!Number.isInteger(chunkLog2) || chunkLog2 < CHUNK_LOG2.least || chunkLog2 > CHUNK_LOG2.most) {
    throw new PackError(
      "option",
      `a chunk of 2^${chunkLog2} bytes; 2^${CHUNK_LOG2.least} to 2^${CHUNK_LOG2.most} are allowed`,
    );
  }
  const policy = options.policy ?? { maxContext: weights.fold.context };
  assertFit(weights, policy);
  const { prompts } = options;
  assertPrompts(prompts, weights, policy);

  const data = placeTensors(tensorPlan(weights.fold), chunkLog2);
  if (data.components.length > MAX_COMPONENTS) {
    throw new PackError("weights", `${data.components.length} components; at most ${MAX_COMPONENTS} are allowed`);
  }
  for (const tensor of data.tensors) {
    const { method } = weights.origin(tensor);
    if (!METHODS[tensor.dtype].includes(method))
      throw new PackError(
        "weights",
        `tensor ${tensor.name} is ${tensor.dtype}, which method ${method} does not give`,
        tensor.name,
      );
  }
  const golden = prompts.map((ids): GoldenPrompt => ({ ids, digest: new Uint8Array(HASH_SIZE) }));
  const draft: Metadata = { weights, policy, golden, ...unsealedRecords(data, weights) };
  const sections = encodeMetadata(draft);
  const sizes = new Map<SectionName, number>([...sections].map(([name, bytes]) => [name, bytes.length]));
  const placed = placeSections(sizes.set("TREE", data.leaves * HASH_SIZE).set("DATA", data.size));
  return {
    id: sha256(
      PLAN_LABEL,
      encodeCanonical({ chunkLog2, fileSize: placed.fileSize, source: options.source ?? new Uint8Array() }),
      concatBytes(...sections.values()),
    ),
    data,
    dataOffset: placed.sections.at(-1)?.offset ?? 0,
    fileSize: placed.fileSize,
    chunkLog2,
    prompts,
    draft,
  };
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

function assertFit({ fold, lexical, vocabulary }: WeightSource, policy: Policy): void {
  const stages = fold.stages.filter((stage) => stage.kind === "routed");
  const routed = stages.length > 0;
  if (routed && !lexical) throw new PackError("weights", "the fold has a routed stage, but there is no routing table");
  if (!routed && lexical) throw new PackError("weights", "there is a routing table, but the fold has no routed stage");
  if (policy.maxContext > fold.context) {
    throw new PackError("option", `the policy allows ${policy.maxContext} positions; the fold has ${fold.context}`);
  }
  for (const id of [...vocabulary.eos, ...(vocabulary.bos === undefined ? [] : [vocabulary.bos])]) {
    if (id >= fold.vocab)
      throw new PackError("weights", `special token ${id} is not below the vocabulary's ${fold.vocab}`);
  }
  for (const { expert } of lexical ? [...lexical.domains, lexical.fallback] : []) {
    const short = stages.find(({ experts }) => expert >= experts);
    if (short) throw new PackError("weights", `a route leads to expert ${expert} of ${short.experts}`);
  }
  for (const { name, triggers } of lexical?.domains ?? []) {
    if (new Set(triggers).size !== triggers.length)
      throw new PackError("weights", `the routing table names a trigger of ${name} twice`);
  }
  if (vocabulary.tokenizer && vocabulary.vocab)
    throw new PackError("weights", "there is a tokenizer.json and a vocab.json; give the one that is to be used");
  if (vocabulary.vocab)
    parseVocabularyMap(vocabulary.vocab, (what, cause) => {
      throw new PackError("weights", `the vocab.json ${what}`, undefined, { cause });
    });
  if (!isAscending(vocabulary.eos))
    throw new PackError("weights", `the ids in eos (${vocabulary.eos.join(", ")}) do not ascend, each of them once`);
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
  const count = prompts.reduce((sum, ids) => sum + ids.length, 0);
  if (count > MAX_PROMPT_IDS)
    throw new PackError("golden", `the golden prompts have ${count} ids; ${MAX_PROMPT_IDS} are allowed in all`);
  const twice = repeatedPrompt(prompts);
  if (twice >= 0) throw new PackError("golden", `golden prompt ${twice} is given twice; give each of them once`);
}

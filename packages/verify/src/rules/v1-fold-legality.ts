/**
 * V1, fold legality: the container is of a known kind, the fold is well-formed, every tensor that it names exists with the
 * dtype and shape that it implies, none is left over, and all sizes are within limits.
 */
import {
  ALIGNMENT,
  CHUNK_LOG2,
  CLASS,
  type DataLayout,
  equalBytes,
  FLAG,
  type Fold,
  foldSchema,
  HASH_SHA256,
  HASH_SIZE,
  HEADER_SIZE,
  type Header,
  isAscending,
  type LexicalTable,
  lexicalSchema,
  MAGIC,
  MAX_COMPONENTS,
  MAX_TENSORS,
  type Policy,
  parseVocabularyMap,
  placeTensors,
  policySchema,
  SECTION_NAMES,
  SECTIONS,
  type SectionEntry,
  type SectionName,
  type TensorRecord,
  tensorIndexSchema,
  tensorPlan,
  type Value,
  VERSION,
  type Vocabulary,
  vocabularySchema,
} from "@s7l/format";
import { type Envelope, entryOf, type SmallSection } from "../envelope.ts";
import { refuse } from "../errors.ts";

/** Entries a table may have. Far more than there are sections, so that an unknown one is named and not counted. */
const MAX_SECTIONS = 64;

/**
 * A plan may have so many tensors more than the file has records, and the first that is missing is named. Beyond, the plan is
 * not made: a small hostile fold must not cost more memory than the file has bytes.
 */
const MISSING_NAMED = 1024;

/** Magic, version, class, flags and algorithms are known, and all counts are within limits. */
export function knownHeader(bytes: Uint8Array, read: () => Header): Header {
  if (!equalBytes(bytes.subarray(0, MAGIC.length), MAGIC)) {
    refuse("not-an-artifact", "the file does not begin with S7LM, so it is not an .s7l artifact", "header.magic");
  }
  const version = new DataView(bytes.buffer, bytes.byteOffset).getUint16(4);
  if (version !== VERSION)
    refuse(
      "version",
      `the artifact is of version ${version}; this verifier knows version ${VERSION}`,
      "header.version",
    );
  const header = read();
  const expect = (holds: boolean, field: keyof Header, message: string): void => {
    if (!holds) refuse("header", `header.${field} ${header[field]} ${message}`, `header.${field}`);
  };
  expect(header.class === CLASS.dense || header.class === CLASS.experts, "class", "is not a known class");
  const flags = FLAG.int8 | FLAG.sealed | (header.class === CLASS.experts ? FLAG.experts : 0);
  expect(header.flags === flags, "flags", `does not fit class ${header.class}, which has ${flags}`);
  expect(header.headerSize === HEADER_SIZE, "headerSize", `is not ${HEADER_SIZE}`);
  expect(header.hash === HASH_SHA256, "hash", "is not a known algorithm");
  expect(
    header.chunkLog2 >= CHUNK_LOG2.least && header.chunkLog2 <= CHUNK_LOG2.most,
    "chunkLog2",
    `is not ${CHUNK_LOG2.least} to ${CHUNK_LOG2.most}`,
  );
  expect(header.alignment === ALIGNMENT, "alignment", `is not ${ALIGNMENT}`);
  expect(
    header.sectionCount >= 1 && header.sectionCount <= MAX_SECTIONS,
    "sectionCount",
    `is not 1 to ${MAX_SECTIONS}`,
  );
  expect(header.tensorCount >= 1 && header.tensorCount <= MAX_TENSORS, "tensorCount", `is not 1 to ${MAX_TENSORS}`);
  expect(
    header.componentCount >= 1 && header.componentCount <= MAX_COMPONENTS,
    "componentCount",
    `is not 1 to ${MAX_COMPONENTS}`,
  );
  expect(header.leafCount >= header.tensorCount, "leafCount", `is below the ${header.tensorCount} tensors`);
  return header;
}

/** No mandatory section is missing. */
export function requiredSections(table: ReadonlyMap<SectionName, SectionEntry>): void {
  for (const name of SECTION_NAMES) {
    if (SECTIONS[name].required && !table.has(name)) refuse("section-missing", `section ${name} is missing`, name);
  }
}

/** Every section is within the file and within its own limit, before anything is allocated for it. */
export function sectionLimits(table: ReadonlyMap<SectionName, SectionEntry>, fileSize: number): void {
  for (const [name, { offset, size }] of table) {
    if (size < 1) refuse("limit", `section ${name} is empty`, name);
    if (offset > fileSize - size)
      refuse("limit", `section ${name} (${size} bytes at ${offset}) passes the file's end`, name);
    if (size > SECTIONS[name].limit)
      refuse("limit", `section ${name} has ${size} bytes; ${SECTIONS[name].limit} are allowed`, name);
  }
}

/** The program and all that it needs. */
export interface Program {
  readonly fold: Fold;
  readonly lexical: LexicalTable | undefined;
  readonly vocabulary: Vocabulary;
  readonly policy: Policy;
  readonly tensors: readonly TensorRecord[];
  readonly layout: DataLayout;
}

/** The fold and its companions are well-formed and fit each other. */
export function legalProgram({ header }: Envelope, values: ReadonlyMap<SmallSection, Value>): Program {
  const value = (name: SmallSection): Value =>
    values.get(name) ?? refuse("section-missing", `section ${name} is missing`, name);
  const fold = foldSchema.parse(value("FOLD"), "FOLD");
  const vocabulary = vocabularySchema.parse(value("VOCAB"), "VOCAB");
  const policy = policySchema.parse(value("POLICY"), "POLICY");
  const lexical = values.has("ROUTE") ? lexicalSchema.parse(value("ROUTE"), "ROUTE") : undefined;
  const tensors = tensorIndexSchema.parse(value("TINDEX"), "TINDEX");
  const layout = placeTensors(tensorPlan(fold, tensors.length + MISSING_NAMED), header.chunkLog2);

  if (policy.maxContext > fold.context) {
    refuse(
      "policy",
      `the policy allows ${policy.maxContext} positions; the fold has ${fold.context}`,
      "POLICY.maxContext",
    );
  }
  const special = vocabulary.bos === undefined ? vocabulary.eos : [...vocabulary.eos, vocabulary.bos];
  const stray = special.find((id) => id >= fold.vocab);
  if (stray !== undefined)
    refuse("vocabulary", `special token ${stray} is not below the fold's ${fold.vocab}`, "VOCAB");
  // A set has one order, and a model one file.
  if (!isAscending(vocabulary.eos)) refuse("vocabulary", "the ids in eos do not ascend", "VOCAB.eos");
  legalVocabularyMap(vocabulary);
  legalRouting(fold, lexical);
  legalClass(header, layout);
  return { fold, lexical, vocabulary, policy, tensors, layout };
}

/** A tokenizer.json is sealed as it is, and read by the runtime alone; a map is as good as its one reading. */
function legalVocabularyMap({ tokenizer, vocab }: Vocabulary): void {
  if (!vocab) return;
  const at = "VOCAB.vocab";
  if (tokenizer) refuse("vocabulary", "there is a vocab.json beside a tokenizer.json, which is the one used", at);
  parseVocabularyMap(vocab, (what) => refuse("vocabulary", `the sealed vocab.json ${what}`, at));
}

function legalRouting(fold: Fold, lexical: LexicalTable | undefined): void {
  const stages = fold.stages.filter((stage) => stage.kind === "routed");
  if (stages.length > 0 && !lexical)
    refuse("section-missing", "the fold routes by text, but section ROUTE is missing", "ROUTE");
  if (stages.length === 0 && lexical)
    refuse("routing", "there is a section ROUTE, but the fold has no routed stage", "ROUTE");
  for (const [i, { triggers }] of lexical?.domains.entries() ?? []) {
    const twice = triggers.length - new Set(triggers).size;
    if (twice > 0) refuse("routing", `${twice} of the triggers stand there twice`, `ROUTE.domains[${i}]`);
  }
  for (const { expert } of lexical ? [...lexical.domains, lexical.fallback] : []) {
    const short = stages.find(({ experts }) => expert >= experts);
    if (short) refuse("routing", `a route leads to expert ${expert} of ${short.experts}`, "ROUTE");
  }
}

function legalClass(header: Header, { components }: DataLayout): void {
  const experts = components.some((name) => name.startsWith("expert"));
  const expected = experts ? CLASS.experts : CLASS.dense;
  if (header.class !== expected)
    refuse("header", `header.class ${header.class} is not the fold's, ${expected}`, "header.class");
}

/** The sealed table is the fold's plan, tensor by tensor. */
export function plannedTensors({ tensors, layout }: Program): void {
  for (const [i, planned] of layout.tensors.entries()) {
    const found = tensors[i];
    if (!found || found.name > planned.name) refuse("tensor-plan", `tensor "${planned.name}" is missing`, planned.name);
    if (found.name < planned.name) refuse("tensor-plan", `tensor "${found.name}" is not in the fold`, found.name);
    if (found.dtype !== planned.dtype)
      refuse("tensor-plan", `tensor "${found.name}" is ${found.dtype}; the fold says ${planned.dtype}`, found.name);
    if (found.shape.length !== planned.shape.length || found.shape.some((dim, k) => dim !== planned.shape[k])) {
      refuse(
        "tensor-plan",
        `tensor "${found.name}" is [${found.shape.join(", ")}]; the fold says [${planned.shape.join(", ")}]`,
        found.name,
      );
    }
  }
  const extra = tensors[layout.tensors.length];
  if (extra) refuse("tensor-plan", `tensor "${extra.name}" is not in the fold`, extra.name);
}

/** The header counts what the plan has, and TREE and DATA are as large as it makes them. */
export function plannedCounts(envelope: Envelope, { layout }: Program): void {
  const count = (found: number, expected: number, at: string, what: string): void => {
    if (found !== expected) refuse("header", `${at} says ${found} ${what}; the fold has ${expected}`, at);
  };
  count(envelope.header.tensorCount, layout.tensors.length, "header.tensorCount", "tensors");
  count(envelope.header.componentCount, layout.components.length, "header.componentCount", "components");
  count(envelope.header.leafCount, layout.leaves, "header.leafCount", "leaves");
  count(entryOf(envelope, "TREE").size, layout.leaves * HASH_SIZE, "TREE", "bytes");
  count(entryOf(envelope, "DATA").size, layout.size, "DATA", "bytes");
}

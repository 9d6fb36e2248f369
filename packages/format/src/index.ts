// Records and their schemas

export { ABI, type Abi, abiSchema, KNOWN_ABIS, knowsAbi } from "./abi.ts";
export { decodeCanonical, encodeCanonical } from "./canonical.ts";
export { compareBytewise } from "./canonical-encode.ts";
export {
  type Component,
  componentLeaf,
  componentSchema,
  componentsOf,
  componentsSchema,
  dataRoot,
  MAX_COMPONENTS,
  tensorLeaf,
} from "./components.ts";
export { type ContentScan, scanContent } from "./content.ts";
export { FormatError, type FormatErrorCode, S7lError } from "./errors.ts";
// The fold
export {
  type Attention,
  type ClampedFfn,
  type ExpertFfn,
  type ExpertsFfn,
  type Ffn,
  FOLD_NAME,
  type Fold,
  foldSchema,
  type GatedFfn,
  type Head,
  type Layer,
  type Linear,
  MAX_CONTEXT,
  MAX_EXPERTS,
  MAX_LAYERS,
  MAX_WIDTH,
  type Norm,
  type PlainFfn,
  type Position,
  type Projection,
  type Rope,
  type Router,
  type Stack,
  type Stage,
} from "./fold/fold.ts";
export { type LexicalTable, lexicalSchema } from "./fold/lexical.ts";
export { byName, type Dtype, MAX_TENSORS, type PlannedTensor, tensorNameAt, tensorPlan } from "./fold/tensor-plan.ts";
export { GATE_MARK, GATE_PHASES, GATE_SIZE, type Gate, readGate, strayGateByte, writeGate } from "./gate.ts";
export { type GoldenPrompt, goldenSchema, MAX_PROMPT_IDS, MAX_PROMPTS, repeatedPrompt } from "./golden.ts";
// Hashes and trees
export {
  concatBytes,
  createSha256,
  equalBytes,
  HASH_SIZE,
  hashesElsewhere,
  joinBytes,
  type Sha256,
  sha256,
  sha256Async,
  toHex,
} from "./hash.ts";
// The container
export {
  ALIGNMENT,
  CHUNK_LOG2,
  CLASS,
  encodeHeader,
  FLAG,
  HASH_SHA256,
  HEADER_SIZE,
  type Header,
  MAGIC,
  readHeader,
  rootOfHeader,
  strayHeaderByte,
  VERSION,
  writeHeader,
} from "./header.ts";
export { builtin } from "./host.ts";
export { type ParsedJson, parseJson } from "./json.ts";
export { largestFirst, workInLanes } from "./lanes.ts";
export {
  alignUp,
  type DataLayout,
  type PlacedSection,
  type PlacedTensor,
  placeSections,
  placeTensors,
} from "./layout.ts";
export {
  DOMAIN,
  inclusionProof,
  joinLeaves,
  leafHash,
  leafHashAsync,
  merkleRoot,
  rootFromProof,
  splitLeaves,
  startLeafHash,
} from "./merkle.ts";
export {
  bytes,
  dictionary,
  type Infer,
  integer,
  list,
  type Optional,
  oneOf,
  optional,
  type RecordSchema,
  record,
  type Schema,
  text,
  union,
  type Value,
} from "./schema.ts";
export {
  readSectionTable,
  SECTION_ENTRY_SIZE,
  type SectionEntry,
  sectionDigest,
  startSectionDigest,
  strayTableEntry,
  tableDigest,
  writeSectionTable,
} from "./section-table.ts";
export { LANE, SECTION_NAMES, SECTIONS, type SectionName, sectionName } from "./sections.ts";
export { openShared, type SharedSource } from "./shared-source.ts";
// Bytes
export {
  assertRange,
  type ByteSink,
  type ByteSource,
  type ByteStore,
  blobSource,
  memorySink,
  memorySource,
  readInto,
  type SharedBytes,
  storeSource,
} from "./source.ts";
export { type SpanLayout, spanLayout } from "./span.ts";
export { type SpanSeal, startSpanSeal } from "./span-seal.ts";
export { provenanceListSchema, type TensorRecord, tensorIndexSchema, tensorRecordSchema } from "./tensor-index.ts";
export { startThread, type Thread, type ThreadPort, threadPort } from "./thread.ts";
export { takeTurn } from "./turn.ts";
export { parseVocabularyMap } from "./vocabulary-map.ts";
export {
  isAscending,
  METHODS,
  type Meta,
  metaSchema,
  type Policy,
  type Provenance,
  policySchema,
  provenanceSchema,
  type SpanPlace,
  type Vocabulary,
  vocabularySchema,
  type WeightSource,
} from "./weights.ts";

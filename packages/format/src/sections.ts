/**
 * The sections of an artifact, in the order of their types: the one table of what there is, where it belongs and how it is
 * read. Ids are sealed for ever.
 */
import { abiSchema } from "./abi.ts";
import { componentsSchema } from "./components.ts";
import { foldSchema } from "./fold/fold.ts";
import { lexicalSchema } from "./fold/lexical.ts";
import { goldenSchema } from "./golden.ts";
import { provenanceListSchema, tensorIndexSchema } from "./tensor-index.ts";
import { metaSchema, policySchema, vocabularySchema } from "./weights.ts";

/** The original's lanes: vocabulary, tensors, stream policy, routing and control, compute. */
export const LANE = { dict: 1, field: 2, lane: 3, edge: 4, batch: 5 } as const;

const MIB = 1 << 20;

/**
 * `limit`: bytes a section may have, so that no reader allocates more for it (TREE and DATA are read in slices, and are
 * bounded by the header's counts). `required`: in every artifact; ROUTE is there exactly when the fold has a routed stage.
 * Sections without a schema are raw bytes.
 */
export const SECTIONS = {
  VOCAB: { type: 1, lane: LANE.dict, required: true, limit: 256 * MIB, schema: vocabularySchema },
  META: { type: 2, lane: LANE.dict, required: true, limit: MIB, schema: metaSchema },
  POLICY: { type: 3, lane: LANE.lane, required: true, limit: MIB, schema: policySchema },
  STX: { type: 4, lane: LANE.edge, required: true, limit: 96 },
  ROUTE: { type: 5, lane: LANE.edge, required: false, limit: 4 * MIB, schema: lexicalSchema },
  COMP: { type: 6, lane: LANE.edge, required: true, limit: 8 * MIB, schema: componentsSchema },
  FOLD: { type: 7, lane: LANE.batch, required: true, limit: 4 * MIB, schema: foldSchema },
  ABI: { type: 8, lane: LANE.batch, required: true, limit: 4096, schema: abiSchema },
  GOLDEN: { type: 9, lane: LANE.batch, required: true, limit: 4 * MIB, schema: goldenSchema },
  PROV: { type: 10, lane: LANE.field, required: true, limit: 1024 * MIB, schema: provenanceListSchema },
  TINDEX: { type: 11, lane: LANE.field, required: true, limit: 1024 * MIB, schema: tensorIndexSchema },
  TREE: { type: 12, lane: LANE.field, required: true, limit: Number.MAX_SAFE_INTEGER },
  DATA: { type: 13, lane: LANE.field, required: true, limit: Number.MAX_SAFE_INTEGER },
} as const;

export type SectionName = keyof typeof SECTIONS;

/** Section names in the order in which they lie in a file. */
export const SECTION_NAMES = Object.keys(SECTIONS) as readonly SectionName[];

/** The name of a section type, or undefined. */
export function sectionName(type: number): SectionName | undefined {
  return SECTION_NAMES.find((name) => SECTIONS[name].type === type);
}

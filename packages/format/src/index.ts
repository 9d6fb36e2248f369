export { FormatError, type FormatErrorCode, S7lError } from "./errors.ts";
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
export {
  bytes,
  dictionary,
  type Infer,
  integer,
  list,
  oneOf,
  optional,
  record,
  type Schema,
  text,
  union,
  type Value,
} from "./schema.ts";
export { type SpanLayout, spanLayout } from "./span.ts";
export {
  type Meta,
  metaSchema,
  type Policy,
  type Provenance,
  policySchema,
  provenanceSchema,
  type Vocabulary,
  vocabularySchema,
  type WeightSource,
} from "./weights.ts";

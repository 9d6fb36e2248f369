/**
 * A weights folder: what quantize gives, kept on disk for pack (seed 001 §5, `model/weights/`).
 *
 *     weights.json    fold, routing, special tokens, display metadata, and a record a tensor
 *     weights.bin     the spans, one after another in plan order
 *     tokenizer.json or vocab.json, report.json
 *
 * weights.json is written last, so a folder that has one is whole. Each record holds the hash of its span: weights that
 * changed on disk are refused by name when they are read.
 */
import { type Fold, foldSchema } from "../fold/fold.ts";
import { lexicalSchema } from "../fold/lexical.ts";
import { MAX_TENSORS, type PlannedTensor, tensorPlan } from "../fold/tensor-plan.ts";
import { type Infer, list, oneOf, optional, record, text } from "../schema.ts";
import { spanLayout } from "../span.ts";
import { metaSchema, provenanceSchema, vocabularySchema } from "../weights.ts";

const hex = text(64, /^[0-9a-f]{64}$/);

const tensorSchema = record({
  name: text(512),
  method: provenanceSchema.fields.method,
  sources: provenanceSchema.fields.sources,
  /** SHA-256 of the source bytes. */
  source: hex,
  /** SHA-256 of the span. */
  span: hex,
});

/** weights.json. */
export const folderSchema = record({
  format: oneOf("s7l-weights"),
  version: oneOf(1),
  fold: foldSchema,
  lexical: optional(lexicalSchema),
  vocabulary: record({
    ...vocabularySchema.fields,
    /** SHA-256 of the files of those names, where there are such. */
    tokenizer: optional(hex),
    vocab: optional(hex),
  }),
  meta: metaSchema,
  tensors: list(tensorSchema, MAX_TENSORS, 1),
});

export type Folder = Infer<typeof folderSchema>;

/** A tensor's place in weights.bin. */
export interface PlacedSpan {
  readonly tensor: PlannedTensor;
  readonly offset: number;
  readonly length: number;
}

/** Where each span lies in weights.bin: one after another, in the plan's order. */
export function placeSpans(fold: Fold): readonly PlacedSpan[] {
  let offset = 0;
  return tensorPlan(fold).map((tensor) => {
    const span = { tensor, offset, length: spanLayout(tensor).size };
    offset += span.length;
    return span;
  });
}

/** Names of the files. */
export const FILES = {
  index: "weights.json",
  data: "weights.bin",
  tokenizer: "tokenizer.json",
  vocab: "vocab.json",
  report: "report.json",
};

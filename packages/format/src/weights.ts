/**
 * What quantize gives and pack takes: a fold with every tensor that it plans, already in sealed form. Neither package
 * knows the other; a caller pipes one into the other, in memory or through a weights folder (`./file`).
 */
import { type Fold, MAX_CONTEXT } from "./fold/fold.ts";
import type { LexicalTable } from "./fold/lexical.ts";
import type { Dtype, PlannedTensor } from "./fold/tensor-plan.ts";
import { bytes, type Infer, integer, list, oneOf, optional, record, text } from "./schema.ts";

/**
 * Where a sealed tensor came from. `method`: `per_row_int8` and `two_plane_int8` quantize, `copy` keeps f32 bits,
 * `derive` computes constants (RoPE frequencies) from the config.
 */
export const provenanceSchema = record({
  method: oneOf("per_row_int8", "two_plane_int8", "copy", "derive"),
  /** Names of the source tensors, or of the config keys for `derive`. */
  sources: list(text(1024), 64, 1),
  /** SHA-256 of the source bytes read for this tensor, in the order read. */
  sha256: bytes(32),
});
export type Provenance = Infer<typeof provenanceSchema>;

/** The methods that give a tensor of a dtype. */
export const METHODS: Readonly<Record<Dtype, readonly Provenance["method"][]>> = {
  i8: ["per_row_int8"],
  i8x2: ["two_plane_int8"],
  f32: ["copy", "derive"],
  u64: ["derive"],
};

/** A text that may be absent, and is not empty: that would be another way to say so. */
const stated = (max?: number) => optional(text(max, undefined, 1));

/** The sealed vocabulary: a file of the checkpoint, byte for byte, and what a runtime must know of it. */
export const vocabularySchema = record({
  /** Hugging Face tokenizer.json. */
  tokenizer: optional(bytes()),
  /** A map from token to id (JSON, see `parseVocabularyMap`), where there is no tokenizer.json. */
  vocab: optional(bytes()),
  /** Jinja source. */
  chatTemplate: stated(),
  bos: optional(integer()),
  /** Ids that end a generation, ascending, none of them twice. */
  eos: list(integer(), 64),
});
export type Vocabulary = Infer<typeof vocabularySchema>;

/** Whether ids ascend, none of them twice: the one order in which a set of ids is sealed. */
export const isAscending = (ids: readonly number[]): boolean => ids.every((id, i) => id > (ids[i - 1] ?? -1));

/** For display only; nothing here changes what is computed. No timestamps unless the caller gives one. */
export const metaSchema = record({
  name: text(512),
  creator: stated(512),
  /** The checkpoint's own model_type, for people. */
  createdFrom: stated(512),
  created: stated(64),
  notes: optional(list(text(4096), 64, 1)),
});
export type Meta = Infer<typeof metaSchema>;

/** What may run. */
export const policySchema = record({
  licence: stated(4096),
  intendedUse: stated(4096),
  /** Positions a session may hold; at most the fold's context. */
  maxContext: integer(MAX_CONTEXT, 1),
});
export type Policy = Infer<typeof policySchema>;

/** Where whoever makes a span is to write it. */
export interface SpanPlace {
  /** What errors call the file. */
  readonly path: string;
  /** A file of this process that is open for writing. */
  readonly descriptor: number;
  /** In the file, of the span's first byte. */
  readonly offset: number;
  /** Bytes of a chunk, whose leaf is wanted; absent: one SHA-256 of the whole span is. */
  readonly chunkSize?: number;
}

export interface WeightSource {
  readonly fold: Fold;
  /** The routing table, where the fold has a routed stage. */
  readonly lexical?: LexicalTable;
  readonly vocabulary: Vocabulary;
  readonly meta: Meta;
  /** Method and sources of a planned tensor; known before its bytes are. */
  readonly origin: (tensor: PlannedTensor) => Omit<Provenance, "sha256">;
  /**
   * The tensor's span (see `spanLayout`), in pieces, in order. After the last piece, `sourceDigest` of the same name is known.
   * Several spans may be open at once.
   */
  readonly span: (tensor: PlannedTensor) => AsyncIterable<Uint8Array>;
  /**
   * Writes the span instead of giving it, where it is made on another thread: then no byte of it passes through this one. Gives what
   * `startSpanSeal` finds out, and throws what that throws, or FormatError `io`. Undefined for a tensor that is only given.
   */
  readonly writeSpan?: (
    tensor: PlannedTensor,
    place: SpanPlace,
    signal?: AbortSignal,
  ) => Promise<Uint8Array> | undefined;
  /** SHA-256 of the source bytes of a tensor whose span was read to its end. */
  readonly sourceDigest: (tensor: PlannedTensor) => Uint8Array;
}

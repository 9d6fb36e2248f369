/**
 * What a proof is: one line through the tree, from a chunk's leaf (or a tensor's root T) through its component C to D in the
 * header and so to R. Canonical MessagePack, under 4 KiB whatever the model's size.
 */
import {
  bytes,
  componentSchema,
  HASH_SIZE,
  HEADER_SIZE,
  type Infer,
  integer,
  oneOf,
  optional,
  record,
  S7lError,
  type Schema,
  tensorRecordSchema,
} from "@s7l/format";

/** Bytes that no proof exceeds: 2^20 tensors, 2^16 components and 2^37 chunks make 73 hashes and two records. */
export const MAX_PROOF = 4096;

/** Bytes of the header that R commits to: all but R itself. */
export const ROOTED_HEADER = HEADER_SIZE - HASH_SIZE;

const proofRecord = /* @__PURE__ */ record({
  proof: oneOf("s7l-proof-1"),
  /** The header without R. */
  header: bytes(ROOTED_HEADER),
  component: componentSchema,
  /** Audit path from the component's record to D; hashes one after another, as in all paths. */
  componentPath: bytes(),
  tensor: tensorRecordSchema,
  /** Place of the tensor among those of its component. */
  tensorIndex: integer(),
  /** Audit path from the tensor's record to C. */
  tensorPath: bytes(),
  /** Absent where the proof is of a whole tensor. */
  chunk: optional(
    record({
      index: integer(),
      leaf: bytes(HASH_SIZE),
      /** Audit path from the leaf to T. */
      path: bytes(),
    }),
  ),
});

export type Proof = Infer<typeof proofRecord>;
export const proofSchema: Schema<Proof> = proofRecord;

export type ProofErrorCode =
  | "proof" // not a proof: its size, encoding or shape
  | "root" // of another artifact than the expected one
  | "component" // the component is not under the root
  | "tensor" // the tensor is not in the component
  | "chunk" // the chunk is not in the tensor
  | "bytes"; // the bytes are not those that the proof is of

/** A proof that does not hold, or cannot be made. */
export class ProofError extends S7lError<ProofErrorCode> {
  override readonly name = "ProofError";
}

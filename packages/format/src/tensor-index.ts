/**
 * TINDEX and PROV: one record a tensor, in the order of the names.
 *
 * A record's offset, length and component follow from names and shapes. They are there for readers of ranges, and are
 * never free: verify recomputes them.
 */
import { MAX_TENSORS } from "./fold/tensor-plan.ts";
import { bytes, type Infer, integer, list, oneOf, record, text } from "./schema.ts";
import { provenanceSchema } from "./weights.ts";

export const tensorRecordSchema = /* @__PURE__ */ record({
  /** ASCII 0x21-0x7E, 1 to 512 bytes. */
  name: text(512, /^[!-~]+$/),
  dtype: oneOf("i8", "i8x2", "f32", "u64"),
  shape: list(integer(Number.MAX_SAFE_INTEGER, 1), 8, 1),
  /** From the start of DATA. */
  offset: integer(),
  /** Bytes of the span, padding included. */
  length: integer(),
  /** Index into COMP. */
  component: integer(0xffff),
  /** T: RFC 6962 root of the tensor's chunk leaves. */
  root: bytes(32),
});

export type TensorRecord = Infer<typeof tensorRecordSchema>;

export const tensorIndexSchema = /* @__PURE__ */ list(tensorRecordSchema, MAX_TENSORS, 1);
/** Method, sources and their hash, for the tensor of the same index. */
export const provenanceListSchema = /* @__PURE__ */ list(provenanceSchema, MAX_TENSORS, 1);

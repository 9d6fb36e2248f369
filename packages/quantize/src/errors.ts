import { S7lError } from "@s7l/format";

export type QuantizeErrorCode =
  | "checkpoint" // a file of the checkpoint is absent, unreadable or not what its name says
  | "safetensors" // a safetensors file that breaks its format's rules
  | "config" // a key of a config is missing, of another kind or contradicts another
  | "unsupported" // something the fold cannot say, or weights that are quantized already
  | "tensor" // a tensor is missing, left over, or of another shape or dtype than the config implies
  | "value"; // a NaN or an infinity among the weights

/** A checkpoint that cannot be quantized; `at` is the file, the config key or the tensor. */
export class QuantizeError extends S7lError<QuantizeErrorCode> {
  override readonly name = "QuantizeError";
}

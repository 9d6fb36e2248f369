import { S7lError } from "@s7l/format";

export type PackErrorCode =
  | "option" // an option that no artifact can have
  | "weights" // weights that break a rule of the format, or that do not fit their fold
  | "golden" // golden prompts or digests that cannot be sealed
  | "shard" // a shard that is none, such as 4/3
  | "part"; // a part of an artifact that is missing, torn, or of another plan

/** Why weights were not sealed. */
export class PackError extends S7lError<PackErrorCode> {
  override readonly name = "PackError";
}

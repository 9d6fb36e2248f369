/**
 * The record of a part: which plan it belongs to, and of each finished tensor what finishing the seal needs. Written anew as
 * the work goes on; a record that is not whole is none. The bytes it speaks of are checked against its leaves before they count.
 */
import {
  bytes,
  concatBytes,
  decodeCanonical,
  encodeCanonical,
  equalBytes,
  FormatError,
  HASH_SIZE,
  integer,
  list,
  MAX_TENSORS,
  oneOf,
  record,
  sha256,
  text,
  toHex,
} from "@s7l/format";
import type { SealedTensor } from "./data.ts";
import { PackError } from "./errors.ts";
import type { SealPlan } from "./plan.ts";
import { MAX_SHARDS, type Shard, tensorsOfShard } from "./shard.ts";

const recordSchema = /* @__PURE__ */ record({
  format: oneOf("s7l-part"),
  version: oneOf(1),
  /** The plan's id. */
  plan: bytes(HASH_SIZE),
  shard: integer(MAX_SHARDS, 1),
  of: integer(MAX_SHARDS, 1),
  /** In sealed order. */
  tensors: list(record({ name: text(512), source: bytes(HASH_SIZE), leaves: bytes() }), MAX_TENSORS),
});

/** A record's bytes: SHA-256 of the rest, then canonical MessagePack. */
export function encodePartRecord(plan: SealPlan, { number, of }: Shard, sealed: readonly SealedTensor[]): Uint8Array {
  const tensors = sealed.map(({ name, source, leaves }) => ({ name, source, leaves }));
  const body = encodeCanonical({ format: "s7l-part", version: 1, plan: plan.id, shard: number, of, tensors });
  return concatBytes(sha256(body), body);
}

/**
 * The finished tensors of a record, by name. Throws PackError `part` for a record that is torn, of another plan, or of another
 * shard; `place` names it.
 */
export function decodePartRecord(
  content: Uint8Array,
  plan: SealPlan,
  shard: Shard,
  place: string,
): ReadonlyMap<string, SealedTensor> {
  const refuse = (message: string): never => {
    throw new PackError("part", `${place} ${message}`, place);
  };
  const body = content.subarray(HASH_SIZE);
  if (!equalBytes(sha256(body), content.subarray(0, HASH_SIZE))) refuse("is torn; delete it and run its shard again");
  try {
    const { plan: id, shard: number, of, tensors } = recordSchema.parse(decodeCanonical(body, place), place);
    if (!equalBytes(id, plan.id))
      refuse(`belongs to another plan (${toHex(id).slice(0, 16)}): it was made of other weights or with other options`);
    if (number !== shard.number || of !== shard.of)
      refuse(`is part ${number} of ${of}, though its name says ${shard.number} of ${shard.of}`);
    const leaves = new Map(tensorsOfShard(plan, shard).map((tensor) => [tensor.name, HASH_SIZE * tensor.leaves]));
    for (const tensor of tensors) {
      if (leaves.get(tensor.name) !== tensor.leaves.length) refuse(`does not fit its plan at tensor ${tensor.name}`);
    }
    return new Map(tensors.map((tensor) => [tensor.name, tensor]));
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new PackError("part", `${place} is no record of a part: ${cause.message}`, place, { cause });
  }
}

/**
 * ABI: which integer arithmetic gives an artifact its meaning. A change of one rounding is another version, so that a change
 * of meaning never passes as the same artifact. `abi_hash` is the SHA-256 of the section's bytes and stands in the gate.
 */
import { type Infer, integer, record, text } from "./schema.ts";

export const abiSchema = record({ name: text(64), version: integer(0xffff, 1) });

export type Abi = Infer<typeof abiSchema>;

/** What pack seals now: the numerics of docs/numerics.md. */
export const ABI: Abi = { name: "s7l-int", version: 1 };

/** What a verifier of this release knows how to hold an artifact to. */
export const KNOWN_ABIS: readonly Abi[] = [ABI];

/** Whether this release knows those numerics. */
export function knowsAbi(abi: Abi): boolean {
  return KNOWN_ABIS.some(({ name, version }) => name === abi.name && version === abi.version);
}

/**
 * V7, hash binding: `abi_hash`, `policy_hash` and `meta_hash` recompute and lie under the root, the numerics are known, and
 * the root is the one that the caller demands.
 */
import {
  type Abi,
  abiSchema,
  equalBytes,
  type Gate,
  HASH_SIZE,
  knowsAbi,
  sha256,
  toHex,
  type Value,
} from "@s7l/format";
import { bytesOf, type Envelope } from "../envelope.ts";
import { refuse } from "../errors.ts";

/** Fails closed: a pinned root that is not 32 bytes refuses every artifact. */
export function expectedRoot(root: Uint8Array, pinned: Uint8Array | string | undefined): void {
  if (pinned === undefined) return;
  // Whoever writes no TypeScript may give anything.
  const bytes = ArrayBuffer.isView(pinned) && pinned.BYTES_PER_ELEMENT === 1 ? toHex(pinned) : "";
  const wanted = typeof pinned === "string" ? pinned.toLowerCase() : bytes;
  if (!/^[0-9a-f]*$/.test(wanted) || wanted.length !== 2 * HASH_SIZE) {
    refuse("root-unexpected", `the expected root is not ${HASH_SIZE} bytes in hexadecimal`, "header.root");
  }
  if (wanted !== toHex(root))
    refuse("root-unexpected", `the root is ${toHex(root)}, not the expected ${wanted}`, "header.root");
}

/** The gate holds the ABI and the policy, the header the display metadata. */
export function boundHashes(envelope: Envelope, gate: Gate): void {
  const bound = (
    section: "ABI" | "POLICY" | "META",
    sealed: Uint8Array,
    code: "abi-hash" | "policy-hash" | "meta-hash",
    at: string,
  ): void => {
    if (!equalBytes(sha256(bytesOf(envelope, section)), sealed))
      refuse(code, `section ${section} does not match the hash in ${at}`, at);
  };
  bound("ABI", gate.abiHash, "abi-hash", "STX");
  bound("POLICY", gate.policyHash, "policy-hash", "STX");
  bound("META", envelope.header.metaHash, "meta-hash", "header.metaHash");
}

/** The numerics are ones that this release can replay. */
export function knownAbi(value: Value): Abi {
  const abi = abiSchema.parse(value, "ABI");
  if (!knowsAbi(abi))
    refuse(
      "abi-unknown",
      `the artifact's numerics are ${abi.name} version ${abi.version}, which this release does not know`,
      "ABI",
    );
  return abi;
}

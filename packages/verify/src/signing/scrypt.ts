/** scrypt (RFC 7914), by the host where it can: a gibibyte of it takes JavaScript ten times as long. */
import { scrypt } from "@noble/hashes/scrypt.js";
import { builtin } from "@s7l/format";

export interface ScryptCost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

interface NodeScrypt {
  scryptSync(password: Uint8Array, salt: Uint8Array, size: number, cost: ScryptCost & { maxmem: number }): Uint8Array;
}

function isNodeScrypt(found: unknown): found is NodeScrypt {
  return typeof found === "object" && found !== null && "scryptSync" in found && typeof found.scryptSync === "function";
}

/** `size` bytes from a password. The cost takes 128 · r · (N + p) bytes of memory; bounding it is the caller's. */
export function deriveByScrypt(password: string, salt: Uint8Array, cost: ScryptCost, size: number): Uint8Array {
  const bytes = new TextEncoder().encode(password);
  const crypto = builtin("node:crypto");
  if (!isNodeScrypt(crypto)) return scrypt(bytes, salt, { ...cost, dkLen: size });
  return new Uint8Array(crypto.scryptSync(bytes, salt, size, { ...cost, maxmem: 256 * cost.r * (cost.N + cost.p) }));
}

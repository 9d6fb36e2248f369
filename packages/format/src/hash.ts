/**
 * SHA-256 from the fastest place there is. Measured on one core: node:crypto 2.0 GB/s, WebCrypto 1.1, @noble/hashes 0.23.
 *
 * WebCrypto is asynchronous and takes whole buffers, so it serves large chunks only; noble serves all where there is no Node.
 */
import { sha256 as noble } from "@noble/hashes/sha2.js";
import { builtin } from "./host.ts";

/** Bytes of a digest. */
export const HASH_SIZE = 32;

/** A running SHA-256. After `digest` it is spent. */
export interface Sha256 {
  update(bytes: Uint8Array): void;
  digest(): Uint8Array;
}

interface NodeHash {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

interface NodeCrypto {
  createHash(algorithm: "sha256"): NodeHash;
  /** Not in every host that calls itself Node. */
  hash?(algorithm: "sha256", data: Uint8Array, encoding: "buffer"): Uint8Array;
}

function isNodeCrypto(found: unknown): found is NodeCrypto {
  return typeof found === "object" && found !== null && "createHash" in found && typeof found.createHash === "function";
}

const crypto = /* @__PURE__ */ builtin("node:crypto");
const native: NodeCrypto | undefined = isNodeCrypto(crypto) ? crypto : undefined;

/** WebCrypto's fixed cost a call is worth it from about here. */
const SUBTLE_FROM = 1 << 13;

/** Up to here joining parts for one call of node:crypto's `hash` costs less than the object that `createHash` makes. */
const SMALL = 1 << 12;

/** A running hash: node:crypto where there is one, else noble. */
export function createSha256(): Sha256 {
  if (!native) {
    const hash = noble.create();
    return {
      update: (bytes) => {
        hash.update(bytes);
      },
      digest: () => hash.digest(),
    };
  }
  const hash = native.createHash("sha256");
  return {
    update: (bytes) => {
      hash.update(bytes);
    },
    // A Buffer may lie in a pool shared with others: give bytes of their own.
    digest: () => new Uint8Array(hash.digest()),
  };
}

/** SHA-256 of the concatenation of `parts`. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  if (native?.hash && parts.reduce((sum, part) => sum + part.length, 0) <= SMALL)
    return new Uint8Array(native.hash("sha256", joinBytes(parts), "buffer"));
  const hash = createSha256();
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** Whether `sha256Async` of so many bytes is not the calling thread's own work. */
export function hashesElsewhere(size: number): boolean {
  return !native && globalThis.crypto?.subtle !== undefined && size >= SUBTLE_FROM;
}

/** SHA-256 of the concatenation of `parts`, by WebCrypto where that is the fastest way. */
export async function sha256Async(...parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  if (!hashesElsewhere(size)) return sha256(...parts);
  const { subtle } = globalThis.crypto;
  return new Uint8Array(await subtle.digest("SHA-256", joinBytes(parts)));
}

/** One array of its own with the bytes of all `parts`. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return joinBytes(parts);
}

/** The same of a list, which may be longer than the arguments that a call takes: some 100,000. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Whether two byte strings are equal. Not constant in time: digests here are public. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/**
 * Ed25519 (RFC 8032 §5.1.7), by one rule: S below L, the key canonical and of prime order, the equation without cofactor, R
 * compared as bytes. Hosts differ in just these points, and a key of mixed order can be told only by computing on the curve,
 * so the curve is computed here for every host: one back end has one rule. A signature is checked once an artifact, in
 * milliseconds.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concatBytes, equalBytes } from "@s7l/format";
import { refuse } from "./errors.ts";

const { Point } = ed25519;
const L = Point.Fn.ORDER;

type Curve = ReturnType<typeof Point.fromBytes>;

/** The point of 32 bytes. Throws SignatureError `key-weak` for a point that no honest key is, or for no point at all. */
function keyPoint(key: Uint8Array): Curve {
  let point: Curve;
  try {
    point = Point.fromBytes(key, false);
  } catch (cause) {
    return refuse("key-weak", "the Ed25519 key is not the canonical encoding of a point on the curve", cause);
  }
  if (point.isSmallOrder()) refuse("key-weak", "the Ed25519 key is a point of small order: everybody can sign for it");
  if (!point.isTorsionFree())
    refuse("key-weak", "the Ed25519 key is a point of mixed order, which hosts judge differently");
  return point;
}

/** Refuses a key that `verifyEd25519` would refuse. */
export function assertEd25519Key(key: Uint8Array): void {
  keyPoint(key);
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  return value;
}

/** Whether 64 bytes are a signature of `message` by `key` (32 bytes). Throws SignatureError `key-weak`. */
export function verifyEd25519(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const point = keyPoint(key);
  if (signature.length !== 64) return false;
  const r = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  if (s >= L) return false;
  const k = littleEndian(sha512(concatBytes(r, key, message))) % L;
  // R = [S]B - [k]A, in the one encoding that R has.
  const expected = Point.BASE.multiplyUnsafe(s).subtract(point.multiplyUnsafe(k));
  return equalBytes(expected.toBytes(), r);
}

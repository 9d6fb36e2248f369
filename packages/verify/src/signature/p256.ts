/**
 * ECDSA over P-256 with SHA-256 (FIPS 186-5 §6.4), signatures in DER: what OpenSSF Model Signing calls its key method. Computed
 * here for every host, as some have no WebCrypto (a page without https) and node's takes DER that is not.
 *
 * S may be high: the stock tools write it so. A signature is then not unique, and nothing here takes it for an identity.
 */
import { p256 } from "@noble/curves/nist.js";
import { refuse } from "./errors.ts";

/** Refuses 65 bytes that are not 04 ‖ x ‖ y of a point on the curve. */
export function assertP256Key(point: Uint8Array): void {
  if (point.length !== 65 || point[0] !== 4) refuse("key-weak", "the P-256 key is not an uncompressed point");
  try {
    p256.Point.fromBytes(point).assertValidity();
  } catch (cause) {
    refuse("key-weak", "the P-256 key is not a point on the curve", cause);
  }
}

/** Whether DER bytes are a signature of `message` by the key at `point` (65 bytes). */
export function verifyP256(point: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return p256.verify(signature, message, point, { prehash: true, lowS: false, format: "der" });
  } catch {
    // Not DER, or integers out of range.
    return false;
  }
}

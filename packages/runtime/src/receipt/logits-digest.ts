/**
 * The digest of integer logits: what golden prompts seal and what two machines compare. d₀ is 32 zero bytes; each position
 * makes d' = SHA-256(d ‖ exponent ‖ mantissas), the exponent and each mantissa as i32 little-endian.
 */
import { HASH_SIZE, sha256 } from "@s7l/format";
import type { Logits } from "../engine.ts";

/** A digest under way, one position after another. */
export interface LogitsDigest {
  /** Adds all positions of `logits`, in order, and gives the digest so far. */
  readonly update: (logits: Logits) => Uint8Array;
  /** The digest of all positions so far, 32 bytes; a copy. */
  readonly digest: () => Uint8Array;
}

/** Starts a digest. */
export function createLogitsDigest(): LogitsDigest {
  let chain: Uint8Array = new Uint8Array(HASH_SIZE);
  return {
    update: ({ vocab, mantissas, exponents }) => {
      exponents.forEach((exponent, row) => {
        const head = littleEndian(Int32Array.of(exponent));
        chain = sha256(chain, head, littleEndian(mantissas.subarray(row * vocab, (row + 1) * vocab)));
      });
      return chain.slice();
    },
    digest: () => chain.slice(),
  };
}

const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The bytes of integers as they would lie on a little-endian host; a view where this is one. */
export function littleEndian(
  values: Int32Array | Int16Array | Int8Array | Float32Array,
  host = HOST_IS_LITTLE_ENDIAN,
): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (host) return bytes;
  const swapped = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) swapped[i] = bytes[i ^ (values.BYTES_PER_ELEMENT - 1)] ?? 0;
  return swapped;
}

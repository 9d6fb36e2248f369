/**
 * Canonical MessagePack: one encoding a value.
 *
 * The readers that there are take the last of duplicate keys, replace bad UTF-8, honour extensions and overflow the stack on deep
 * input (measured, msgpackr 2.1.3, with which the tests compare). So bytes are read by a strict scan of our own, and what
 * it read must encode to the same bytes again.
 */
import { encodeValue } from "./canonical-encode.ts";
import { scanCanonical } from "./canonical-scan.ts";
import { FormatError } from "./errors.ts";
import { equalBytes } from "./hash.ts";
import type { Value } from "./schema.ts";

/**
 * The one encoding of a value. Throws FormatError `canonical` for what has none: reals, -0, null, lone surrogates, forbidden
 * keys, too deep a nesting.
 */
export function encodeCanonical(value: Value): Uint8Array {
  const bytes = encodeValue(value);
  scanCanonical(bytes, "value");
  return bytes;
}

/** The value of canonical bytes. Throws FormatError `canonical`, with the place, for any other bytes. */
export function decodeCanonical(bytes: Uint8Array, section: string): Value {
  const value = scanCanonical(bytes, section);
  // The scan is the first check, this the second: whatever it read otherwise than it was written shows here.
  if (!equalBytes(encodeValue(value), bytes)) {
    throw new FormatError("canonical", `${section}: these bytes are not the one encoding of their value`, section);
  }
  return value;
}

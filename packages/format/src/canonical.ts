/**
 * Canonical MessagePack: one encoding a value.
 *
 * msgpackr decodes, behind two guards, because it is not strict by itself (measured, 2.1.3): it takes the last of duplicate
 * keys, renames `__proto__`, replaces bad UTF-8, honours record extensions and overflows the stack on deep input. So bytes
 * pass a strict scan before they are decoded, and what was decoded must encode to the same bytes again.
 */
import { Unpackr } from "msgpackr/unpack";
import { encodeValue } from "./canonical-encode.ts";
import { assertCanonical } from "./canonical-scan.ts";
import { FormatError } from "./errors.ts";
import { equalBytes } from "./hash.ts";
import type { Value } from "./schema.ts";

const decoder = /* @__PURE__ */ new Unpackr({
  useRecords: false,
  mapsAsObjects: true,
  int64AsType: "number",
  copyBuffers: true,
  moreTypes: false,
});

/**
 * The one encoding of a value. Throws FormatError `canonical` for what has none: reals, -0, null, lone surrogates, forbidden
 * keys, too deep a nesting.
 */
export function encodeCanonical(value: Value): Uint8Array {
  const bytes = encodeValue(value);
  assertCanonical(bytes, "value");
  return bytes;
}

/** The value of canonical bytes. Throws FormatError `canonical`, with the place, for any other bytes. */
export function decodeCanonical(bytes: Uint8Array, section: string): Value {
  assertCanonical(bytes, section);
  // The scan admits nothing that msgpackr would decode to another kind of value.
  // It gets a view of its own, because msgpackr leaves a property behind on the array that it reads.
  const value = decoder.unpack(bytes.subarray()) as Value;
  // The scan is the first check, this the second: whatever two readers might see differently shows here.
  if (!equalBytes(encodeValue(value), bytes)) {
    throw new FormatError("canonical", `${section}: these bytes are not the one encoding of their value`, section);
  }
  return value;
}

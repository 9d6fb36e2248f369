/**
 * Canonical MessagePack: one encoding a value. msgpackr does the work behind two guards, because it is not canonical by
 * itself (measured, 2.1.3): it takes the last of duplicate keys, renames `__proto__`, replaces bad UTF-8, honours record
 * extensions, overflows the stack on deep input, and writes positive BigInts in the signed family.
 *
 * So values are put in order before they are encoded, and bytes pass a strict scan before they are decoded.
 */
import { Packr } from "msgpackr/pack";
import { assertCanonical } from "./canonical-scan.ts";
import { FormatError } from "./errors.ts";
import { equalBytes } from "./hash.ts";
import type { Value } from "./schema.ts";

const codec = /* @__PURE__ */ new Packr({
  useRecords: false,
  variableMapSize: true,
  mapsAsObjects: true,
  int64AsType: "number",
  copyBuffers: true,
  moreTypes: false,
});

/** Compares strings by their UTF-8 bytes, which is the order of code points and not of UTF-16 units. */
export function compareBytewise(a: string, b: string): number {
  if (a === b) return 0;
  const left = [...a];
  const right = [...b];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = (left[i]?.codePointAt(0) ?? 0) - (right[i]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** What msgpackr encodes canonically: maps as ordered Maps, integers beyond 32 bits as BigInt. */
function ordered(value: Value): unknown {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      throw new FormatError("canonical", `${Object.is(value, -0) ? "-0" : value} is not an integer of at most 53 bits`);
    }
    return value > 0xffffffff || value < -0x80000000 ? BigInt(value) : value;
  }
  if (typeof value === "string") {
    if (/\p{Surrogate}/u.test(value)) throw new FormatError("canonical", "a string holds half of a surrogate pair");
    return value;
  }
  // A view of a pool's Buffer or of a subclass would be encoded all the same; give msgpackr one kind.
  if (value instanceof Uint8Array) return new Uint8Array(value.buffer, value.byteOffset, value.length);
  if (isList(value)) return value.map(ordered);
  // Types do not hold at run time: a caller's null or boolean ends here.
  if (typeof value !== "object" || value === null)
    throw new FormatError("canonical", `${String(value)} has no encoding`);
  const keys = Object.keys(value).sort(compareBytewise);
  return new Map(keys.map((key) => [ordered(key), ordered(value[key] ?? refuseHole(key))]));
}

const isList = (value: Value): value is readonly Value[] => Array.isArray(value);

function refuseHole(key: string): never {
  throw new FormatError("canonical", `key "${key}" has no value`);
}

/** The one encoding of a value. Throws FormatError `canonical` for what has none (floats, -0, lone surrogates). */
export function encodeCanonical(value: Value): Uint8Array {
  const bytes = new Uint8Array(codec.pack(ordered(value)));
  assertCanonical(bytes, "value", { repairUnsigned64: true });
  return bytes;
}

/** The value of canonical bytes. Throws FormatError `canonical`, with the place, for any other bytes. */
export function decodeCanonical(bytes: Uint8Array, section: string): Value {
  assertCanonical(bytes, section);
  // The scan admits nothing that msgpackr would decode to another kind of value.
  // It gets a view of its own, because msgpackr leaves a property behind on the array that it reads.
  const value = codec.unpack(bytes.subarray()) as Value;
  // The scan is the first check, this the second: whatever the two readers might see differently shows here.
  if (!equalBytes(encodeCanonical(value), bytes)) {
    throw new FormatError("canonical", `${section}: these bytes are not the one encoding of their value`, section);
  }
  return value;
}

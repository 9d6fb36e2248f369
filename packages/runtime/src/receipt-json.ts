/**
 * Canonical JSON (RFC 8785: keys in order, no spaces, numbers as ECMAScript writes them), for records that people open in an editor.
 * Whatever is not the one encoding of what it says is refused, duplicate keys and escapes included.
 */
import { equalBytes, FormatError, type Schema, type Value } from "@s7l/format";

/** Deeper than any record. */
const DEEPEST = 4;

/** The one encoding of a value; bytes have none. */
export function encodeJson(value: Value): Uint8Array {
  return new TextEncoder().encode(textOf(value));
}

function textOf(value: Value): string {
  if (isList(value)) return `[${value.map(textOf).join(",")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  // sort() orders by UTF-16 units, as the RFC does.
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${textOf(field)}`).join(",")}}`;
}

/** Parses what `encodeJson` wrote. Throws FormatError `schema` or `canonical`, which names the place. */
export function decodeJson<T>(bytes: Uint8Array, schema: Schema<T>, name: string): T {
  const value = plain(parse(bytes, name), name, 0);
  const parsed = schema.parse(value, name);
  if (!equalBytes(encodeJson(value), bytes))
    throw new FormatError("canonical", `${name} is not in canonical form, so it was edited after it was made`, name);
  return parsed;
}

function parse(bytes: Uint8Array, name: string): unknown {
  try {
    // Without ignoreBOM a leading mark would vanish unseen.
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError("canonical", `${name} is not JSON in UTF-8: ${why.slice(0, 200)}`, name, { cause });
  }
}

/** JSON's nulls and booleans stand in no record of ours. */
function plain(json: unknown, at: string, depth: number): Value {
  if (typeof json === "string" || typeof json === "number") return json;
  if (typeof json !== "object" || json === null || depth === DEEPEST)
    throw new FormatError("schema", `${at}: expected a number, a string, a list or a map`, at);
  if (Array.isArray(json)) return json.map((item: unknown, i) => plain(item, `${at}[${i}]`, depth + 1));
  return Object.fromEntries(Object.entries(json).map(([key, field]) => [key, plain(field, `${at}.${key}`, depth + 1)]));
}

/** Array.isArray does not narrow a readonly array. */
const isList = (value: Value): value is readonly Value[] => Array.isArray(value);

/**
 * Canonical JSON (RFC 8785: keys in order, no spaces, numbers as ECMAScript writes them), for records that people open in an editor.
 * Whatever is not the one encoding of what it says is refused, duplicate keys and escapes included.
 */
import { equalBytes, FormatError, parseJson, type Schema, type Value } from "@s7l/format";

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
  const refuse = (what: string, cause?: unknown): never => {
    throw new FormatError("canonical", `${name} ${what}`, name, { cause });
  };
  const value = plain(parseJson(bytes, refuse, DEEPEST).value, name);
  const parsed = schema.parse(value, name);
  if (!equalBytes(encodeJson(value), bytes)) refuse("is not in canonical form, so it was edited after it was made");
  return parsed;
}

/** JSON's nulls and booleans stand in no record of ours. */
function plain(json: unknown, at: string): Value {
  if (typeof json === "string" || typeof json === "number") return json;
  if (typeof json !== "object" || json === null)
    throw new FormatError("schema", `${at}: expected a number, a string, a list or a map`, at);
  if (Array.isArray(json)) return json.map((item: unknown, i) => plain(item, `${at}[${i}]`));
  return Object.fromEntries(Object.entries(json).map(([key, field]) => [key, plain(field, `${at}.${key}`)]));
}

/** Array.isArray does not narrow a readonly array. */
const isList = (value: Value): value is readonly Value[] => Array.isArray(value);

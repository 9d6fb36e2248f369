/**
 * JSON in which nothing means two things: no key twice in an object (parsers differ in which one they take), bounded depth,
 * whole UTF-8. Values are then read field by field, each of one kind, and no field is passed over.
 */
import { refuse, type SignatureErrorCode } from "./errors.ts";

/** Deeper than any bundle. */
const DEEPEST = 16;
const TOKEN = /[\t\n\r ]*(?:([{}[\],:])|("(?:[^"\\]|\\.)*")|([^\s{}[\],:"]+))/y;

/** A value of unknown shape and the place where it stands. */
export interface Json {
  readonly value: unknown;
  readonly at: string;
  readonly code: SignatureErrorCode;
}

/** Parses UTF-8 bytes. Throws SignatureError `code`; so do all readers of what it gives. */
export function parseJson(bytes: Uint8Array, at: string, code: SignatureErrorCode): Json {
  try {
    // Without ignoreBOM a leading mark would vanish unseen.
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    assertUnambiguous(text);
    return { value: JSON.parse(text), at, code };
  } catch (error) {
    return refuse(code, `${at}: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

/** Walks the tokens of a text. Whether they are in an order that makes JSON is for JSON.parse to say. */
function assertUnambiguous(text: string): void {
  let end = 0;
  const open: { keys: Set<unknown> | undefined; expectsKey: boolean }[] = [];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) {
    const [, mark, string] = match;
    end = TOKEN.lastIndex;
    const inner = open.at(-1);
    if (mark === "{" || mark === "[") {
      if (open.length === DEEPEST) throw new SyntaxError(`deeper than ${DEEPEST} levels`);
      open.push({ keys: mark === "{" ? new Set() : undefined, expectsKey: mark === "{" });
    } else if (mark === "}" || mark === "]") open.pop();
    else if (mark === "," && inner) inner.expectsKey = inner.keys !== undefined;
    else if (string !== undefined && inner?.keys && inner.expectsKey) {
      const key: unknown = JSON.parse(string);
      if (inner.keys.has(key)) throw new SyntaxError(`key ${string.slice(0, 64)} stands twice in one object`);
      inner.keys.add(key);
      inner.expectsKey = false;
    }
  }
  if (/[^\t\n\r ]/.test(text.slice(end))) throw new SyntaxError(`no JSON at ${end}`);
}

/** The fields of an object: all of `required`, any of `allowed`, and no others. */
export function fieldsOf<R extends string, A extends string>(
  { value, at, code }: Json,
  required: readonly R[],
  allowed: readonly A[],
): { readonly [K in R]: Json } & { readonly [K in A]?: Json } {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return refuse(code, `${at} is not an object`);
  const known: readonly string[] = [...required, ...allowed];
  const fields: Record<string, Json> = {};
  for (const [key, field] of Object.entries(value)) {
    if (!known.includes(key)) refuse(code, `${at} has a field ${JSON.stringify(key.slice(0, 64))} that is not known`);
    fields[key] = { value: field, at: `${at}.${key}`, code };
  }
  for (const key of required) if (!Object.hasOwn(fields, key)) refuse(code, `${at} has no "${key}"`);
  // Each key of R is there and none but those of R and A: the loop above is what makes this the type.
  return fields as { readonly [K in R]: Json } & { readonly [K in A]?: Json };
}

/** The items of a list. */
export function itemsOf({ value, at, code }: Json): readonly Json[] {
  if (!Array.isArray(value)) return refuse(code, `${at} is not a list`);
  const items: readonly unknown[] = value;
  return items.map((item, i) => ({ value: item, at: `${at}[${i}]`, code }));
}

/** A string, of a given pattern where there is one. */
export function textOf({ value, at, code }: Json, pattern?: RegExp): string {
  if (typeof value !== "string") return refuse(code, `${at} is not a string`);
  if (pattern && !pattern.test(value))
    return refuse(code, `${at} is ${JSON.stringify(value.slice(0, 80))}, not ${pattern}`);
  return value;
}

/** A string that can only be this one. */
export function expectText(field: Json, wanted: string): void {
  const given = textOf(field);
  if (given !== wanted)
    refuse(field.code, `${field.at} is ${JSON.stringify(given.slice(0, 80))}, not ${JSON.stringify(wanted)}`);
}

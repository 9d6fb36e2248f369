/**
 * One description of each sealed record, for reading and for writing.
 *
 * A schema is a parser from a plain {@link Value} (what canonical MessagePack can carry) to a typed one; the
 * TypeScript type is inferred from it. Parsing is strict: a missing key, an extra key, a number out of range or a value
 * of another kind is a {@link FormatError} that names the place. What parses is also what is written.
 */
import { FormatError } from "./errors.ts";

/** What the canonical MessagePack carries: no floats, no nil, no booleans, no extensions. */
export type Value = number | string | Uint8Array | readonly Value[] | { readonly [key: string]: Value };

/** Parses a value found at `at`, a path such as `FOLD.stages[0].kind`. */
export interface Schema<T> {
  readonly parse: (value: Value, at: string) => T;
}

/** A key that may be absent. */
export interface Optional<T> extends Schema<T> {
  readonly optional: true;
}

type Fields = Readonly<Record<string, Schema<unknown>>>;
type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends Optional<unknown> ? K : never }[keyof F];
type Flatten<T> = { readonly [K in keyof T]: T[K] };

/** The type that a schema parses to. */
export type Infer<S> = S extends Schema<infer T> ? T : never;

type RecordOf<F extends Fields> = Flatten<
  { [K in Exclude<keyof F, OptionalKeys<F>>]: Infer<F[K]> } & { [K in OptionalKeys<F>]?: Infer<F[K]> }
>;

/** A schema of a map with known keys. */
export interface RecordSchema<T, F extends Fields> extends Schema<T> {
  readonly fields: F;
}

/** Array.isArray does not narrow a readonly array. */
export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

function refuse(at: string, message: string): never {
  throw new FormatError("schema", `${at}: ${message}`, at);
}

const kindOf = (value: Value): string =>
  value instanceof Uint8Array
    ? "bytes"
    : Array.isArray(value)
      ? "a list"
      : typeof value === "object"
        ? "a map"
        : `a ${typeof value}`;

/** An integer in [min, max]; max is at most 2^53 - 1. */
export function integer(max: number = Number.MAX_SAFE_INTEGER, min = 0): Schema<number> {
  return {
    parse: (value, at) => {
      if (typeof value !== "number") refuse(at, `expected an integer, found ${kindOf(value)}`);
      if (!Number.isSafeInteger(value)) refuse(at, `${value} is not an integer of at most 53 bits`);
      if (value < min || value > max) refuse(at, `${value} is outside [${min}, ${max}]`);
      return value;
    },
  };
}

/** A string of `min` to `max` UTF-16 units that matches `pattern`. */
export function text(max = 1 << 20, pattern?: RegExp, min = 0): Schema<string> {
  return {
    parse: (value, at) => {
      if (typeof value !== "string") refuse(at, `expected a string, found ${kindOf(value)}`);
      if (value.length > max) refuse(at, `string of ${value.length} characters, at most ${max} allowed`);
      if (value.length < min) refuse(at, `string of ${value.length} characters, at least ${min} expected`);
      if (pattern && !pattern.test(value))
        refuse(at, `string ${JSON.stringify(value.slice(0, 64))} does not match ${pattern}`);
      return value;
    },
  };
}

/** Exactly one of the given strings or integers. */
export function oneOf<const T extends readonly (string | number)[]>(...values: T): Schema<T[number]> {
  return {
    parse: (value, at) => {
      for (const candidate of values) if (candidate === value) return candidate;
      return refuse(
        at,
        `expected ${values.map((v) => JSON.stringify(v)).join(" or ")}, found ${typeof value === "string" || typeof value === "number" ? JSON.stringify(value) : kindOf(value)}`,
      );
    },
  };
}

/** Bytes, of a fixed length where one is given. */
export function bytes(length?: number): Schema<Uint8Array> {
  return {
    parse: (value, at) => {
      if (!(value instanceof Uint8Array)) refuse(at, `expected bytes, found ${kindOf(value)}`);
      if (length !== undefined && value.length !== length) refuse(at, `${value.length} bytes, expected ${length}`);
      return value;
    },
  };
}

/** A list of `min` to `max` items. */
export function list<T>(item: Schema<T>, max: number, min = 0): Schema<readonly T[]> {
  return {
    parse: (value, at) => {
      if (!Array.isArray(value)) refuse(at, `expected a list, found ${kindOf(value)}`);
      const items: readonly Value[] = value;
      if (items.length < min || items.length > max) refuse(at, `${items.length} items, expected ${min} to ${max}`);
      return items.map((entry, i) => item.parse(entry, `${at}[${i}]`));
    },
  };
}

/** A map from any key (at most `max` of them) to one kind of value. */
export function dictionary<T>(item: Schema<T>, max: number): Schema<Readonly<Record<string, T>>> {
  return {
    parse: (value, at) => {
      const map = asMap(value, at);
      const keys = Object.keys(map);
      if (keys.length > max) refuse(at, `${keys.length} keys, at most ${max} allowed`);
      return Object.fromEntries(keys.map((key) => [key, item.parse(present(map, key, at), `${at}.${key}`)]));
    },
  };
}

/** Marks a record's key as one that may be absent. */
export function optional<T>(schema: Schema<T>): Optional<T> {
  return { parse: schema.parse, optional: true };
}

function asMap(value: Value, at: string): { readonly [key: string]: Value } {
  if (typeof value !== "object" || value instanceof Uint8Array || Array.isArray(value))
    refuse(at, `expected a map, found ${kindOf(value)}`);
  return value as { readonly [key: string]: Value };
}

function present(map: { readonly [key: string]: Value }, key: string, at: string): Value {
  const value = map[key];
  if (value === undefined) refuse(at, `key "${key}" is missing`);
  return value;
}

/** A map with exactly the given keys. */
export function record<const F extends Fields>(fields: F): RecordSchema<RecordOf<F>, F> {
  const parse = (value: Value, at: string): RecordOf<F> => {
    const map = asMap(value, at);
    for (const key of Object.keys(map)) if (!Object.hasOwn(fields, key)) refuse(at, `unknown key "${key}"`);
    const parsed: Record<string, unknown> = {};
    for (const [key, schema] of Object.entries(fields)) {
      if (!Object.hasOwn(map, key) && Object.hasOwn(schema, "optional")) continue;
      parsed[key] = schema.parse(present(map, key, at), `${at}.${key}`);
    }
    // Every key of F was parsed by its own schema just above: this is the one place where that becomes a type.
    return parsed as RecordOf<F>;
  };
  return { parse, fields };
}

type Tagged = RecordSchema<{ readonly kind: string }, { readonly kind: Schema<string> }>;

/** One of several records, told apart by their `kind`. */
export function union<const S extends readonly Tagged[]>(...variants: S): Schema<Infer<S[number]>> {
  return {
    parse: (value, at) => {
      const kind = present(asMap(value, at), "kind", at);
      for (const variant of variants) {
        if (matches(variant.fields.kind, kind)) return variant.parse(value, at) as Infer<S[number]>;
      }
      return refuse(`${at}.kind`, `unknown kind ${JSON.stringify(kind)}`);
    },
  };
}

function matches(schema: Schema<string>, value: Value): boolean {
  try {
    schema.parse(value, "");
    return true;
  } catch {
    return false;
  }
}

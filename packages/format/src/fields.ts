/**
 * Fixed binary records from one table of fields, used both to read and to write. Bytes that no field claims are zero.
 */
import { FormatError } from "./errors.ts";

/** One kind of field: little-endian unless its name says otherwise. */
interface Field<T> {
  readonly size: number;
  read(view: DataView, at: number): T;
  // A method, so that fields of different values fit one table; `fixedRecord` gives each its own value.
  write(view: DataView, at: number, value: T): void;
}

/** A field at its offset. */
export interface PlacedField<T> extends Field<T> {
  readonly at: number;
}

type Fields = Readonly<Record<string, PlacedField<unknown>>>;
type ValueOf<F> = F extends PlacedField<infer T> ? T : never;
type Values<F> = { readonly [K in keyof F]: ValueOf<F[K]> };

export const u8 = (at: number): PlacedField<number> => ({
  at,
  size: 1,
  read: (view, from) => view.getUint8(from),
  write: (view, from, value) => view.setUint8(from, value),
});

export const u16 = (at: number): PlacedField<number> => ({
  at,
  size: 2,
  read: (view, from) => view.getUint16(from, true),
  write: (view, from, value) => view.setUint16(from, value, true),
});

/** Big-endian: `version`, where readers of v1 and v2 look for it. */
export const u16be = (at: number): PlacedField<number> => ({
  at,
  size: 2,
  read: (view, from) => view.getUint16(from),
  write: (view, from, value) => view.setUint16(from, value),
});

export const u32 = (at: number): PlacedField<number> => ({
  at,
  size: 4,
  read: (view, from) => view.getUint32(from, true),
  write: (view, from, value) => view.setUint32(from, value, true),
});

/** At most 2^53 - 1: compared as a BigInt before it becomes a number. */
export const u64 = (at: number): PlacedField<number> => ({
  at,
  size: 8,
  read: (view, from) => {
    const value = view.getBigUint64(from, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new FormatError("header", `${value} is above 2^53 - 1`);
    return Number(value);
  },
  write: (view, from, value) => view.setBigUint64(from, BigInt(value), true),
});

/** `size` bytes; what is read is a copy. */
export const raw = (at: number, size: number): PlacedField<Uint8Array> => ({
  at,
  size,
  read: (view, from) => new Uint8Array(view.buffer, view.byteOffset + from, size).slice(),
  write: (view, from, value) => {
    if (value.length !== size) throw new FormatError("header", `${value.length} bytes for a field of ${size}`);
    new Uint8Array(view.buffer, view.byteOffset + from, size).set(value);
  },
});

/** Reads and writes one fixed record. */
export interface FixedRecord<T> {
  readonly size: number;
  readonly read: (bytes: Uint8Array) => T;
  readonly write: (values: T) => Uint8Array;
  /** Offset of the first byte that no field claims and that is not zero, or -1. */
  readonly strayByte: (bytes: Uint8Array) => number;
}

/** The record of `size` bytes with these fields. `name` stands in its errors. */
export function fixedRecord<const F extends Fields>(name: string, size: number, fields: F): FixedRecord<Values<F>> {
  const entries = Object.entries(fields);
  const claimed = new Uint8Array(size);
  for (const [, field] of entries) claimed.fill(1, field.at, field.at + field.size);
  const viewOf = (bytes: Uint8Array): DataView => {
    if (bytes.length !== size)
      throw new FormatError("header", `${name} has ${size} bytes, found ${bytes.length}`, name);
    return new DataView(bytes.buffer, bytes.byteOffset, size);
  };
  return {
    size,
    read: (bytes) => {
      const view = viewOf(bytes);
      const values = entries.map(([key, field]) => {
        try {
          return [key, field.read(view, field.at)];
        } catch (cause) {
          if (cause instanceof FormatError)
            throw new FormatError("header", `${name}.${key}: ${cause.message}`, `${name}.${key}`);
          throw cause;
        }
      });
      // Each key of F was read by its own field.
      return Object.fromEntries(values) as Values<F>;
    },
    write: (values) => {
      const bytes = new Uint8Array(size);
      const view = viewOf(bytes);
      const given: Readonly<Record<string, unknown>> = values;
      for (const [key, field] of entries) field.write(view, field.at, given[key]);
      return bytes;
    },
    strayByte: (bytes) => bytes.findIndex((byte, i) => byte !== 0 && claimed[i] === 0),
  };
}

/**
 * The header of a GGUF file (versions 2 and 3, little-endian): metadata and the list of tensors. Every count, length and offset is
 * held against a limit and against the file before anything follows from it.
 *
 * Format: github.com/ggml-org/ggml, docs/gguf.md.
 */
import type { ByteSource } from "@s7l/format";
import { CliError } from "../errors.ts";
import { Cursor } from "./cursor.ts";

/** Far above every published model; a file of 70 bytes may claim 2^64 - 1 of anything. */
const MAX_TENSORS = 1 << 16;
const MAX_ENTRIES = 1 << 16;
const MAX_KEY = (1 << 16) - 1;
/** A chat template, or a token. */
const MAX_TEXT = 1 << 20;
/** Bytes of the whole header: vocabularies of 256k tokens with merges take about 10 MB. */
const MAX_HEADER = 1 << 25;
const MAX_RANK = 8;
const MAX_ALIGNMENT = 1 << 16;
/** Arrays of arrays of …, and how many of them. */
const MAX_DEPTH = 4;
const MAX_ARRAYS = 1 << 12;
/** Texts in an array: a vocabulary, or its merges. */
const MAX_TEXTS = 1 << 21;
/** Bytes of keys, names and values that are kept. A chat template takes some kilobytes; arrays are passed over. */
const MAX_KEPT = 1 << 24;

/** Bytes of the scalar metadata types; 8 is text, 9 an array. */
const SCALARS: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
const TEXT = 8;
const ARRAY = 9;

/** Name, elements a block, bytes a block. */
const TYPES: Readonly<Record<number, readonly [name: string, elements: number, bytes: number]>> = {
  0: ["F32", 1, 4],
  1: ["F16", 1, 2],
  2: ["Q4_0", 32, 18],
  3: ["Q4_1", 32, 20],
  6: ["Q5_0", 32, 22],
  7: ["Q5_1", 32, 24],
  8: ["Q8_0", 32, 34],
  9: ["Q8_1", 32, 36],
  10: ["Q2_K", 256, 84],
  11: ["Q3_K", 256, 110],
  12: ["Q4_K", 256, 144],
  13: ["Q5_K", 256, 176],
  14: ["Q6_K", 256, 210],
  15: ["Q8_K", 256, 292],
  16: ["IQ2_XXS", 256, 66],
  17: ["IQ2_XS", 256, 74],
  18: ["IQ3_XXS", 256, 98],
  19: ["IQ1_S", 256, 50],
  20: ["IQ4_NL", 32, 18],
  21: ["IQ3_S", 256, 110],
  22: ["IQ2_S", 256, 82],
  23: ["IQ4_XS", 256, 136],
  24: ["I8", 1, 1],
  25: ["I16", 1, 2],
  26: ["I32", 1, 4],
  27: ["I64", 1, 8],
  28: ["F64", 1, 8],
  29: ["IQ1_M", 256, 56],
  30: ["BF16", 1, 2],
  34: ["TQ1_0", 256, 54],
  35: ["TQ2_0", 256, 66],
  39: ["MXFP4", 32, 17],
};

/** A value, or for an array how many there are: nobody wants to see 256k tokens. */
export type GgufValue = string | number | boolean | { readonly items: number };

export interface GgufTensor {
  readonly name: string;
  readonly type: string;
  /** Outermost dimension first, unlike in the file. */
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly offset: number;
  readonly length: number;
}

export interface Gguf {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
}

/** Reads a header. Throws CliError `foreign` with the place that is wrong. */
export async function readGguf(source: ByteSource, file: string): Promise<Gguf> {
  const cursor = new Cursor(source, { header: MAX_HEADER, kept: MAX_KEPT }, file);
  await cursor.take(4, "the magic");
  const version = await cursor.u32("the version");
  if (version !== 2 && version !== 3)
    throw new CliError("foreign", `${file} is GGUF of version ${version}; 2 and 3 (little-endian) can be read`, file);
  const tensorCount = await bounded(cursor, "the number of tensors", MAX_TENSORS);
  const entryCount = await bounded(cursor, "the number of metadata entries", MAX_ENTRIES);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < entryCount; i++) {
    const key = await cursor.text(MAX_KEY, `the key of metadata entry ${i}`);
    if (metadata.has(key)) cursor.refuse(`the key ${key} stands there twice`, key);
    metadata.set(key, await readValue(cursor, await cursor.u32(`the type of ${key}`), key, 0));
  }
  const infos: Info[] = [];
  const names = new Set<string>();
  for (let i = 0; i < tensorCount; i++) {
    const info = await readInfo(cursor, i);
    if (names.has(info.name)) cursor.refuse(`the tensor ${info.name} stands there twice`, info.name);
    names.add(info.name);
    infos.push(info);
  }
  return { version, metadata, tensors: placed(cursor, infos, metadata.get("general.alignment") ?? 32, source.size) };
}

async function bounded(cursor: Cursor, what: string, most: number): Promise<number> {
  const count = await cursor.u64(what);
  return count <= most ? count : cursor.refuse(`${what} is ${count}; ${most} are allowed`, what);
}

async function readValue(cursor: Cursor, type: number, key: string, depth: number): Promise<GgufValue> {
  if (type === TEXT) return cursor.text(MAX_TEXT, `the value of ${key}`);
  if (type === ARRAY) return readArray(cursor, key, depth + 1);
  const size = SCALARS[type];
  if (size === undefined) return cursor.refuse(`${key} has the unknown type ${type}`, key);
  return scalar(type, await cursor.take(size, `the value of ${key}`));
}

async function readArray(cursor: Cursor, key: string, depth: number): Promise<GgufValue> {
  if (depth > MAX_DEPTH) cursor.refuse(`${key} holds arrays in arrays, more than ${MAX_DEPTH} deep`, key);
  const type = await cursor.u32(`the type of ${key}`);
  const items = await cursor.u64(`the length of ${key}`);
  const size = SCALARS[type];
  if (size !== undefined) {
    // Products beyond 53 bits are inexact but far above any file, so `skip` refuses them.
    cursor.skip(items * size, key);
    return { items };
  }
  // Each text takes at least 8 bytes, so the header's limit bounds all such loops together.
  if (type === TEXT && items > MAX_TEXTS) cursor.refuse(`${key} holds ${items} texts; ${MAX_TEXTS} are allowed`, key);
  if (type === TEXT) await cursor.skipTexts(items, MAX_TEXT, key);
  else if (type !== ARRAY) cursor.refuse(`${key} has the unknown type ${type}`, key);
  else if (items > MAX_ARRAYS) cursor.refuse(`${key} holds ${items} arrays; ${MAX_ARRAYS} are allowed`, key);
  else for (let i = 0; i < items; i++) await readArray(cursor, key, depth + 1);
  return { items };
}

function scalar(type: number, view: DataView): GgufValue {
  switch (type) {
    case 0:
      return view.getUint8(0);
    case 1:
      return view.getInt8(0);
    case 2:
      return view.getUint16(0, true);
    case 3:
      return view.getInt16(0, true);
    case 4:
      return view.getUint32(0, true);
    case 5:
      return view.getInt32(0, true);
    case 6:
      return view.getFloat32(0, true);
    case 7:
      return view.getUint8(0) !== 0;
    case 10:
      return Number(view.getBigUint64(0, true));
    case 11:
      return Number(view.getBigInt64(0, true));
    default:
      return view.getFloat64(0, true);
  }
}

type Info = Omit<GgufTensor, "offset"> & { readonly relative: number };

async function readInfo(cursor: Cursor, index: number): Promise<Info> {
  const name = await cursor.text(MAX_KEY, `the name of tensor ${index}`);
  const rank = await cursor.u32(`the rank of ${name}`);
  if (rank > MAX_RANK) cursor.refuse(`tensor ${name} has rank ${rank}; ${MAX_RANK} are allowed`, name);
  const dims: number[] = [];
  for (let i = 0; i < rank; i++) dims.push(await cursor.u64(`the shape of ${name}`));
  const type = await cursor.u32(`the type of ${name}`);
  const [spelt, block, bytes] = TYPES[type] ?? cursor.refuse(`tensor ${name} has the unknown type ${type}`, name);
  const elements = dims.reduce((n, dim) => n * dim, 1);
  if (!Number.isSafeInteger(elements))
    cursor.refuse(`tensor ${name} [${dims.join(", ")}] is larger than any file`, name);
  if ((dims[0] ?? 1) % block !== 0)
    cursor.refuse(
      `tensor ${name} has rows of ${dims[0]}, no multiple of the ${block} that a block of ${spelt} holds`,
      name,
    );
  const relative = await cursor.u64(`the offset of ${name}`);
  return { name, type: spelt, shape: dims.toReversed(), relative, length: (elements / block) * bytes };
}

/** Data begins at the next multiple of the alignment; tensors must not overlap or reach beyond the file. */
function placed(cursor: Cursor, infos: readonly Info[], alignment: GgufValue, size: number): readonly GgufTensor[] {
  const place = "general.alignment";
  if (
    typeof alignment !== "number" ||
    alignment < 1 ||
    alignment > MAX_ALIGNMENT ||
    (alignment & (alignment - 1)) !== 0
  )
    return cursor.refuse(`${place} is no power of two up to ${MAX_ALIGNMENT}`, place);
  const start = Math.ceil(cursor.at / alignment) * alignment;
  let end = start;
  return infos
    .toSorted((a, b) => a.relative - b.relative || a.length - b.length)
    .map(({ relative, ...tensor }) => {
      const { name, length } = tensor;
      const offset = start + relative;
      if (relative % alignment !== 0)
        cursor.refuse(`tensor ${name} does not begin at a multiple of ${alignment}`, name);
      if (offset < end) cursor.refuse(`tensor ${name} overlaps another`, name);
      if (length > size - offset)
        cursor.refuse(`tensor ${name} reaches beyond the end of the file; it is cut off`, name);
      end = offset + length;
      return { ...tensor, offset };
    });
}

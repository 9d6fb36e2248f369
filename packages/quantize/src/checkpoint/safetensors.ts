/**
 * The header of a safetensors file: u64 length, JSON, data. As strict as the reference reader
 * (github.com/huggingface/safetensors): names once, shapes that agree with offsets, data without gap, overlap or rest.
 */
import type { ByteSource, SharedSource } from "@s7l/format";
import { QuantizeError } from "../errors.ts";
import { isObject, type Json, parseJsonObject } from "../json.ts";

/** The reference reader's own limit. */
const MAX_HEADER = 100_000_000;

/** Bits an element. */
const ELEMENT_BITS: Readonly<Record<string, number>> = {
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
};

/** Fills memory with a file's bytes before it returns. */
export type Fill = NonNullable<SharedSource["fill"]>;

/** A tensor in a file. Its data is known to lie within the file and to have the size that its shape and dtype say. */
export interface StoredTensor {
  readonly name: string;
  /** As safetensors spells it: F32, BF16, I8 ... */
  readonly dtype: string;
  /** Outermost dimension first; empty for a scalar. */
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly length: number;
  readonly source: ByteSource & { readonly fill?: Fill | undefined };
  /** The file's name, for errors. */
  readonly file: string;
}

/** Reads and checks a file's header; no tensor data is read. Throws QuantizeError `safetensors` with the file and tensor. */
export async function readSafetensors(source: ByteSource, file: string): Promise<readonly StoredTensor[]> {
  const refuse = (message: string, at = file): never => {
    throw new QuantizeError("safetensors", `${file}: ${message}`, at);
  };
  if (source.size < 8) refuse(`${source.size} bytes are too few for a safetensors file; it may be cut off`);
  const prefix = await source.read(0, 8);
  const declared = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(MAX_HEADER))
    refuse(`its header is said to have ${declared} bytes, at most ${MAX_HEADER} are allowed`);
  const headerSize = Number(declared);
  if (headerSize > source.size - 8)
    refuse(`its header should have ${headerSize} bytes, but the file ends after ${source.size - 8}; it is cut off`);
  const header = parseJsonObject(await source.read(8, headerSize), `${file} (header)`, "safetensors");

  const start = 8 + headerSize;
  const available = source.size - start;
  const tensors: StoredTensor[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") {
      if (!isObject(entry) || Object.values(entry).some((v) => typeof v !== "string"))
        refuse("__metadata__ is not a map of strings");
      continue;
    }
    const { dtype, shape, begin, end } = parseEntry(entry, (message) => refuse(`tensor ${name} ${message}`, name));
    if (end > available)
      refuse(`tensor ${name} ends at byte ${end} of the data, but there are ${available}; the file is cut off`, name);
    tensors.push({ name, dtype, shape, offset: start + begin, length: end - begin, source, file });
  }
  tensors.sort((a, b) => a.offset - b.offset || a.length - b.length);
  let end = start;
  for (const tensor of tensors) {
    if (tensor.offset < end) refuse(`tensor ${tensor.name} overlaps another`, tensor.name);
    if (tensor.offset > end)
      refuse(`there is a gap of ${tensor.offset - end} bytes before tensor ${tensor.name}`, tensor.name);
    end = tensor.offset + tensor.length;
  }
  if (end !== source.size) refuse(`${source.size - end} bytes follow the last tensor`);
  return tensors;
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function parseEntry(entry: Json, refuse: (message: string) => never): Entry {
  if (!isObject(entry)) return refuse("is not described by a map");
  const { dtype, shape, data_offsets: offsets, ...rest } = entry;
  const [stray] = Object.keys(rest);
  if (stray !== undefined) refuse(`has the unknown key ${JSON.stringify(stray)}`);
  if (typeof dtype !== "string" || !Object.hasOwn(ELEMENT_BITS, dtype))
    return refuse(`has the unknown dtype ${JSON.stringify(dtype)}`);
  if (!isSizes(shape) || shape.length > 16) return refuse("has a shape that is not a list of sizes");
  if (!isSizes(offsets)) return refuse("has data_offsets that are not two byte counts");
  const [begin, end, more] = offsets;
  if (begin === undefined || end === undefined || more !== undefined || begin > end)
    return refuse("has data_offsets that are not two byte counts");
  let bits = ELEMENT_BITS[dtype] ?? 0;
  for (const size of shape) {
    bits *= size;
    if (!Number.isSafeInteger(bits)) refuse(`of shape [${shape.join(", ")}] is larger than any file`);
  }
  if (bits !== 8 * (end - begin))
    refuse(`has ${end - begin} bytes, but ${dtype} [${shape.join(", ")}] takes ${bits / 8}`);
  return { dtype, shape, begin, end };
}

function isSizes(value: Json | undefined): value is readonly number[] {
  return (
    Array.isArray(value) && value.every((size) => typeof size === "number" && Number.isSafeInteger(size) && size >= 0)
  );
}

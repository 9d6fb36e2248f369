/**
 * A writer of GGUF 3, the container of llama.cpp, as far as a random Llama needs it: metadata, F32 and Q8_0 tensors. Layout:
 * https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { closeSync, openSync, writeSync } from "node:fs";

/** A metadata value with its GGUF type. */
export type Value =
  | { readonly type: "u32" | "f32"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "f32s" | "i32s"; readonly value: readonly number[] }
  | { readonly type: "strings"; readonly value: readonly string[] };

export interface Tensor {
  readonly name: string;
  /** Fastest dimension first, as GGML counts. */
  readonly shape: readonly number[];
  readonly type: "f32" | "q8_0";
}

/** Fills the bytes of a piece of a tensor; pieces come in order and are whole blocks of 32 values. */
export type Fill = (tensor: Tensor, piece: Uint8Array) => void;

const VERSION = 3;
const ALIGNMENT = 32;
const PIECE_BLOCKS = 1 << 17;
const TENSOR_TYPES = { f32: 0, q8_0: 8 };
const VALUE_TYPES = { u32: 4, f32: 6, string: 8, array: 9, i32: 5 };

/** Bytes of 32 values: Q8_0 is an f16 scale and 32 int8. */
export const BLOCK_BYTES = { f32: 128, q8_0: 34 };

/** Bytes of a tensor. Throws RangeError where its rows are not whole blocks. */
export function tensorBytes({ name, shape, type }: Tensor): number {
  const values = shape.reduce((product, size) => product * size, 1);
  if ((shape[0] ?? 0) % 32 !== 0) throw new RangeError(`rows of ${name} are no multiple of 32 values`);
  return (values / 32) * BLOCK_BYTES[type];
}

/** Writes a file of random or other weights, piece by piece: a model need not fit into memory. */
export function writeGguf(
  path: string,
  metadata: ReadonlyMap<string, Value>,
  tensors: readonly Tensor[],
  fill: Fill,
): void {
  const file = openSync(path, "w");
  try {
    let at = write(file, encodeHead(metadata, tensors));
    for (const tensor of tensors) {
      at += write(file, new Uint8Array(padding(at)));
      const bytes = tensorBytes(tensor);
      const most = PIECE_BLOCKS * BLOCK_BYTES[tensor.type];
      for (let done = 0; done < bytes; done += most) {
        const piece = new Uint8Array(Math.min(most, bytes - done));
        fill(tensor, piece);
        at += write(file, piece);
      }
    }
    write(file, new Uint8Array(padding(at)));
  } finally {
    closeSync(file);
  }
}

function write(file: number, bytes: Uint8Array): number {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
  return bytes.length;
}

const padding = (at: number): number => (ALIGNMENT - (at % ALIGNMENT)) % ALIGNMENT;

function encodeHead(metadata: ReadonlyMap<string, Value>, tensors: readonly Tensor[]): Uint8Array {
  const parts: Uint8Array[] = [ascii("GGUF"), u32(VERSION), u64(tensors.length), u64(metadata.size)];
  for (const [key, value] of metadata) parts.push(string(key), ...encodeValue(value));
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(string(tensor.name), u32(tensor.shape.length), ...tensor.shape.map(u64), u32(TENSOR_TYPES[tensor.type]));
    parts.push(u64(offset));
    offset += tensorBytes(tensor);
    offset += padding(offset);
  }
  return Buffer.concat(parts);
}

function encodeValue({ type, value }: Value): Uint8Array[] {
  const array = (of: number, items: readonly Uint8Array[]) => [
    u32(VALUE_TYPES.array),
    u32(of),
    u64(items.length),
    ...items,
  ];
  switch (type) {
    case "u32":
      return [u32(VALUE_TYPES.u32), u32(value)];
    case "f32":
      return [u32(VALUE_TYPES.f32), f32(value)];
    case "string":
      return [u32(VALUE_TYPES.string), string(value)];
    case "f32s":
      return array(VALUE_TYPES.f32, value.map(f32));
    case "i32s":
      return array(VALUE_TYPES.i32, value.map(u32));
    case "strings":
      return array(VALUE_TYPES.string, value.map(string));
  }
}

// Little-endian, as every host that runs these peers.
const ascii = (text: string): Uint8Array => Buffer.from(text, "ascii");
const u32 = (x: number): Uint8Array => new Uint8Array(Uint32Array.of(x).buffer);
const u64 = (x: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(x)).buffer);
const f32 = (x: number): Uint8Array => new Uint8Array(Float32Array.of(x).buffer);
const string = (text: string): Uint8Array => {
  const bytes = Buffer.from(text, "utf8");
  return Buffer.concat([u64(bytes.length), bytes]);
};

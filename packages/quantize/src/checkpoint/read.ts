/**
 * Reads a view in blocks of whole rows, so that memory is bounded by a block and not by a tensor. Rows that lie together are
 * read in one go; columns of a stored [in, out] matrix are read in stripes.
 */
import { readInto } from "@s7l/format";
import { QuantizeError } from "../errors.ts";
import type { StoredTensor } from "./safetensors.ts";
import type { Axis, View } from "./view.ts";

/** Elements of a block that is gathered from many places: 8 MiB of F32, so that each place is worth its read. */
const BLOCK = 1 << 21;
/** Elements of a block that lies in one piece: 1 MiB of F32, which is still in the cache when it is hashed and rounded. */
const PACKED_BLOCK = 1 << 18;

type Words = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
const DECODERS: Readonly<Record<string, (words: Words) => Float32Array>> = {
  F32: (words) => new Float32Array(words.buffer, 0, words.length),
  BF16: (words) => {
    const bits = new Uint32Array(words.length);
    for (let i = 0; i < words.length; i++) bits[i] = (words[i] ?? 0) << 16;
    return new Float32Array(bits.buffer);
  },
  F16: (words) => {
    const values = new Float32Array(words.length);
    halves ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => halfToFloat(bits));
    for (let i = 0; i < words.length; i++) values[i] = halves[words[i] ?? 0] ?? 0;
    return values;
  },
};

/** The value of every half, made when the first is needed. */
let halves: Float32Array | undefined;

/** The value of an IEEE binary16, exactly: every half is a float. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (fraction + 1024) * 2 ** (exponent - 25);
}

/** Whole rows of a view, in order. */
export interface RowBlock {
  readonly values: Float32Array;
  /** The same as stored: little-endian, in the order of `values`. */
  readonly raw: Uint8Array;
}

/** Refuses a dtype that holds no floats to quantize. */
export function assertFloat({ name, dtype, file }: StoredTensor): void {
  if (Object.hasOwn(DECODERS, dtype)) return;
  const quantized = /^(F4|F6_|F8_|I8$|U8$)/.test(dtype);
  throw new QuantizeError(
    quantized ? "unsupported" : "tensor",
    `tensor ${name} in ${file} is ${dtype}; F32, F16 or BF16 is needed${quantized ? ": give the checkpoint from before it was quantized" : ""}`,
    name,
  );
}

/**
 * The rows of a view: all its axes but the last, the outermost first. `stored` must have the view's shape; a block has at most `most`
 * elements, but at least a row. The next block is read while the caller works on the one it has, whose memory is used again after.
 */
export async function* readRows(
  view: View,
  stored: StoredTensor,
  most?: number,
): AsyncGenerator<RowBlock, void, undefined> {
  const decode = DECODERS[stored.dtype];
  if (!decode) return assertFloat(stored);
  const blocks = blocksOf(view, most);
  // Two buffers take turns: one is read while the caller has the other. New ones each time would cost a tenth in collection.
  let spare: Words | undefined;
  const start = (): Promise<Words> | undefined => {
    const block = blocks.next();
    if (block.done) return undefined;
    const into = spare;
    spare = undefined;
    return readBlock(stored, block.value, into);
  };
  let next = start();
  try {
    while (next) {
      const words = await next;
      next = start();
      // Whoever waits for it gets the error; that nobody may wait is no defect.
      next?.catch(() => undefined);
      // The bytes before decoding: F32 is decoded in place, as a view of the same buffer.
      yield { raw: new Uint8Array(words.buffer, 0, words.byteLength), values: decode(words) };
      spare = words;
    }
  } finally {
    // A caller who leaves early may close the file at once.
    await next?.catch(() => undefined);
  }
}

/** A box of a stored tensor. */
interface Block {
  readonly base: number;
  readonly rows: Axis;
  readonly columns: Axis;
}

const isPacked = (rows: Axis, columns: Axis): boolean =>
  columns.stride === 1 && (rows.stride === columns.size || rows.size === 1);

function* blocksOf(view: View, asked: number | undefined): Generator<Block, void, undefined> {
  const columns = view.axes.at(-1) ?? { size: 1, stride: 1 };
  const rows = view.axes.at(-2) ?? { size: 1, stride: columns.size * columns.stride };
  const most = asked ?? (isPacked(rows, columns) ? PACKED_BLOCK : BLOCK);
  const blockRows = Math.max(1, Math.floor(most / columns.size));
  for (const base of offsetsOf(view.axes.slice(0, -2), view.offset)) {
    for (let row = 0; row < rows.size; row += blockRows) {
      const block = { size: Math.min(blockRows, rows.size - row), stride: rows.stride };
      yield { base: base + row * rows.stride, rows: block, columns };
    }
  }
}

function* offsetsOf(axes: readonly Axis[], base: number): Generator<number, void, undefined> {
  const [axis, ...inner] = axes;
  if (!axis) return yield base;
  for (let i = 0; i < axis.size; i++) yield* offsetsOf(inner, base + i * axis.stride);
}

/** A box of rows and columns, row by row. */
async function readBlock(stored: StoredTensor, { base, rows, columns }: Block, into?: Words): Promise<Words> {
  if (isPacked(rows, columns)) return readRun(stored, base, rows.size * columns.size, into);

  // The axis of the larger stride counts runs, the other lies within a run.
  const byRows = rows.stride >= columns.stride;
  const [outer, inner] = byRows ? [rows, columns] : [columns, rows];
  const run = (inner.size - 1) * inner.stride + 1;
  const extent = (outer.size - 1) * outer.stride + run;
  if (extent <= 2 * outer.size * run) {
    return gather(await readRun(stored, base, extent), rows, columns);
  }
  const runs = allocate(stored, outer.size * run);
  for (let i = 0; i < outer.size; i++) runs.set(await readRun(stored, base + i * outer.stride, run), i * run);
  const tight = { size: outer.size, stride: run };
  return byRows ? gather(runs, tight, columns) : gather(runs, rows, tight);
}

/** Copies a strided box together, in squares that stay in the cache when it is a transposition. */
function gather(words: Words, rows: Axis, columns: Axis): Words {
  const out =
    words instanceof Uint16Array
      ? new Uint16Array(rows.size * columns.size)
      : new Uint32Array(rows.size * columns.size);
  const edge = 64;
  for (let top = 0; top < rows.size; top += edge) {
    const bottom = Math.min(top + edge, rows.size);
    for (let left = 0; left < columns.size; left += edge) {
      const right = Math.min(left + edge, columns.size);
      for (let r = top; r < bottom; r++) {
        for (let c = left; c < right; c++) out[r * columns.size + c] = words[r * rows.stride + c * columns.stride] ?? 0;
      }
    }
  }
  return out;
}

const allocate = ({ dtype }: StoredTensor, count: number): Words =>
  dtype === "F32" ? new Uint32Array(count) : new Uint16Array(count);

async function readRun(stored: StoredTensor, from: number, count: number, into?: Words): Promise<Words> {
  const words = into && into.length >= count ? into.subarray(0, count) : allocate(stored, count);
  const bytes = new Uint8Array(words.buffer, 0, words.byteLength);
  await readInto(stored.source, stored.offset + from * words.BYTES_PER_ELEMENT, bytes);
  return words;
}

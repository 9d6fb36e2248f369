/**
 * Reads a view in blocks of whole rows, so that memory is bounded by a block and not by a tensor. Rows that lie together are
 * read in one go; columns of a stored [in, out] matrix are read in stripes.
 */
import { readInto } from "@s7l/format";
import { QuantizeError } from "../errors.ts";
import type { Fill, StoredTensor } from "./safetensors.ts";
import { bytesOfFloat, decodeFloats, isStoredFloat, type StoredFloat, type Words, wordsOf } from "./stored-float.ts";
import type { Axis, View } from "./view.ts";

/** Bytes of a block that is gathered from many places: each place is to be worth its read. */
const GATHERED_BLOCK = 1 << 22;
/** Bytes of a block that lies in one piece: still in the cache when it is hashed and rounded. */
const PACKED_BLOCK = 1 << 18;

/** Whole rows of a view, in order. */
export interface RowBlock {
  readonly values: Float32Array;
  /** The same as stored: little-endian, in the order of `values`. */
  readonly raw: Uint8Array;
}

/** The type of a tensor's floats. Throws QuantizeError where it holds no floats to quantize. */
export function floatOf({ name, dtype, file }: Pick<StoredTensor, "name" | "dtype" | "file">): StoredFloat {
  if (isStoredFloat(dtype)) return dtype;
  const quantized = /^(F4|F6_|F8_|I8$|U8$)/.test(dtype);
  throw new QuantizeError(
    quantized ? "unsupported" : "tensor",
    `tensor ${name} in ${file} is ${dtype}; F32, F16 or BF16 is needed${quantized ? ": give the checkpoint from before it was quantized" : ""}`,
    name,
  );
}

/**
 * The rows of a view: all its axes but the last, the outermost first, decoded. `stored` must have the view's shape; a block has at most
 * `most` elements, but at least a row. The next block is read while the caller works on the one it has, whose memory is used again after.
 */
export async function* readRows(
  view: View,
  stored: StoredTensor,
  most?: number,
): AsyncGenerator<RowBlock, void, undefined> {
  const type = floatOf(stored);
  const size = blockElements(view, type, most) * bytesOfFloat(type);
  for await (const { raw } of readBlocks(view, stored, [new Uint8Array(size), new Uint8Array(size)])) {
    yield { raw, values: decodeFloats(type, raw) };
  }
}

/** Elements of the longest block of a view: whole rows, at most `most` where one row allows it. */
export function blockElements(view: View, type: StoredFloat, most?: number): number {
  const { rows, columns } = matrixOf(view);
  const wanted = most ?? (isPacked(rows, columns) ? PACKED_BLOCK : GATHERED_BLOCK) / bytesOfFloat(type);
  return columns.size * Math.max(1, Math.min(Math.floor(wanted / columns.size), rows.size));
}

/** Rows as stored, at the start of one of two areas. */
export interface StoredBlock {
  readonly raw: Uint8Array<ArrayBuffer>;
  readonly area: 0 | 1;
}

type Areas = readonly [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];

/**
 * The rows of a view as they are stored, read into two areas of the caller's that take turns, each as long as `blockElements` says and
 * aligned to 4 bytes: one is filled while the caller works on the other. New memory each time would cost a tenth in collection. Where a
 * source reads at once, rows that lie in one piece need no turns, and each block is still in the cache when it is worked on.
 */
export function readBlocks(
  view: View,
  stored: StoredTensor,
  areas: Areas,
): AsyncIterable<StoredBlock> | Iterable<StoredBlock> {
  const { rows, columns } = matrixOf(view);
  const { fill } = stored.source;
  return fill && isPacked(rows, columns)
    ? blocksAtOnce(view, stored, fill, areas[0])
    : blocksAhead(view, stored, areas);
}

function* blocksAtOnce(
  view: View,
  stored: StoredTensor,
  fill: Fill,
  area: Uint8Array<ArrayBuffer>,
): Generator<StoredBlock, void, undefined> {
  const size = bytesOfFloat(floatOf(stored));
  for (const { base, rows, columns } of blocksOf(view, Math.floor(area.length / size))) {
    const raw = area.subarray(0, rows.size * columns.size * size);
    fill(stored.offset + base * size, raw);
    yield { raw, area: 0 };
  }
}

async function* blocksAhead(
  view: View,
  stored: StoredTensor,
  areas: Areas,
): AsyncGenerator<StoredBlock, void, undefined> {
  const type = floatOf(stored);
  const blocks = blocksOf(view, Math.floor(areas[0].length / bytesOfFloat(type)));
  let area: 0 | 1 = 1;
  const start = (): Promise<StoredBlock> | undefined => {
    const block = blocks.next();
    if (block.done) return undefined;
    area = area === 0 ? 1 : 0;
    const filled = area;
    return readBlock(stored, type, block.value, areas[area]).then((raw) => ({ raw, area: filled }));
  };
  let next = start();
  try {
    while (next) {
      const block: StoredBlock = await next;
      next = start();
      // Whoever waits for it gets the error; that nobody may wait is no defect.
      next?.catch(() => undefined);
      yield block;
    }
  } finally {
    // A caller who leaves early may close the file at once, or give the areas away.
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

/** The last two axes of a view. */
function matrixOf({ axes }: View): { readonly rows: Axis; readonly columns: Axis } {
  const columns = axes.at(-1) ?? { size: 1, stride: 1 };
  return { columns, rows: axes.at(-2) ?? { size: 1, stride: columns.size * columns.stride } };
}

function* blocksOf(view: View, most: number): Generator<Block, void, undefined> {
  const { rows, columns } = matrixOf(view);
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

/** A box of rows and columns, row by row, to the start of an area. */
async function readBlock(
  stored: StoredTensor,
  type: StoredFloat,
  { base, rows, columns }: Block,
  area: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const raw = area.subarray(0, rows.size * columns.size * bytesOfFloat(type));
  if (isPacked(rows, columns)) {
    await readInto(stored.source, stored.offset + base * bytesOfFloat(type), raw);
    return raw;
  }
  // The axis of the larger stride counts runs, the other lies within a run.
  const byRows = rows.stride >= columns.stride;
  const [outer, inner] = byRows ? [rows, columns] : [columns, rows];
  const run = (inner.size - 1) * inner.stride + 1;
  const extent = (outer.size - 1) * outer.stride + run;
  const out = wordsOf(type, raw);
  if (extent <= 2 * outer.size * run) {
    gather(await readRun(stored, type, base, extent), rows, columns, out);
    return raw;
  }
  const runs = wordsOf(type, new Uint8Array(outer.size * run * bytesOfFloat(type)));
  for (let i = 0; i < outer.size; i++) runs.set(await readRun(stored, type, base + i * outer.stride, run), i * run);
  const tight = { size: outer.size, stride: run };
  if (byRows) gather(runs, tight, columns, out);
  else gather(runs, rows, tight, out);
  return raw;
}

/** Copies a strided box together, in squares that stay in the cache when it is a transposition. */
function gather(words: Words, rows: Axis, columns: Axis, out: Words): void {
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
}

async function readRun(stored: StoredTensor, type: StoredFloat, from: number, count: number): Promise<Words> {
  const bytes = new Uint8Array(count * bytesOfFloat(type));
  await readInto(stored.source, stored.offset + from * bytesOfFloat(type), bytes);
  return wordsOf(type, bytes);
}

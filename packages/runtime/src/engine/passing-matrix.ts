/**
 * Matrices that pass by: of each a record alone is held, and its rows come in blocks, which every product that waits for them uses before
 * the next block takes their place.
 */
import { type PlannedTensor, spanLayout } from "@s7l/format";
import { RuntimeError } from "../errors.ts";
import type { Heap } from "./heap.ts";
import type { Kernels } from "./kernels.ts";
import * as HEAD from "./layout/head.ts";
import * as MAP from "./layout/map.ts";
import * as ROWS from "./layout/rows.ts";
import { EMPTY_MAP } from "./records.ts";
import { type PlacedMatrix, strideOf, type TensorReader } from "./tensors.ts";

/** Where ranges of spans come from; `VerifiedArtifact` is one. */
export interface RangeReader extends TensorReader {
  /** A part of a tensor's span, `target` long from `offset` on. */
  readRange(name: string, offset: number, target: Uint8Array): Promise<void>;
}

/** A product that waits for a matrix: arguments of the kernel `linear`. */
export interface Product {
  readonly x: number;
  readonly tokens: number;
  readonly y: number;
}

/** Rows of a block are a multiple of this: what the kernels take at once. */
const ROWS_AT_ONCE = 16;

/** The tensors of a model that pass by rather than be placed: int8 matrices of one plane, which are nearly all of it. */
export const passes = ({ dtype }: PlannedTensor): boolean => dtype === "i8";

/** Memory for one block of rows, one matrix's scales and what a record needs beside them. */
export class Passage {
  readonly #heap: Heap;
  readonly #kernels: Kernels;
  readonly #source: RangeReader;
  /** By the number that stands where a record's address of data will be. */
  readonly #tensors: readonly PlannedTensor[];
  readonly #blockBytes: number;
  readonly #block: number;
  readonly #multipliers: number;
  /** Row sums of a whole matrix, and a record that is a block alone; 0 where the kernels want no row sums. */
  readonly #sums: number;
  readonly #blockRecord: number;

  /** Makes room for any matrix of the plan. A block has as many rows as go into `blockBytes`, but at least sixteen. */
  constructor(
    heap: Heap,
    kernels: Kernels,
    source: RangeReader,
    plan: readonly PlannedTensor[],
    { blockBytes, rowSums }: { readonly blockBytes: number; readonly rowSums: boolean },
  ) {
    this.#heap = heap;
    this.#kernels = kernels;
    this.#source = source;
    this.#tensors = plan.filter(passes);
    this.#blockBytes = blockBytes;
    const most = (of: (rows: number, stride: number) => number): number =>
      this.#tensors.reduce(
        (size, { shape: [rows = 0, columns = 0] }) => Math.max(size, of(rows, strideOf(columns))),
        0,
      );
    this.#block = heap.allocate(most((rows, stride) => Math.min(rows, this.#rowsOf(stride)) * stride));
    this.#multipliers = heap.allocate(most((rows) => 4 * rows));
    this.#sums = rowSums ? heap.allocate(most((rows) => 4 * rows)) : 0;
    this.#blockRecord = rowSums ? heap.record(MAP, EMPTY_MAP) : 0;
  }

  /** What stands for a matrix that passes by, when records are built. */
  absent(tensor: PlannedTensor): PlacedMatrix {
    const [rows = 0, columns = 0] = tensor.shape;
    const data = this.#tensors.indexOf(tensor);
    const unknown = { plane: 0, multipliers: 0, multiplierBits: 0, exponent: 0 };
    return { kind: "matrix", data, stride: strideOf(columns), ...unknown, rows, columns };
  }

  /** Whether a record's matrix passes by. */
  isAbsent(map: number): boolean {
    return this.#heap.i32[map / 4 + MAP.plane] === 0;
  }

  /** Lets the matrix of a record pass once, for all the products that wait for it. */
  async multiply(map: number, products: readonly Product[]): Promise<void> {
    const number = this.#heap.i32[map / 4 + MAP.data] ?? 0;
    const tensor = this.#tensors[number];
    if (!tensor) throw new RuntimeError("engine", "a record of no matrix was to be multiplied");
    const [rows = 0, columns = 0] = tensor.shape;
    const stride = strideOf(columns);
    const { exponent, bits } = await this.#readScales(tensor);
    const words = this.#heap.i32;
    words[map / 4 + MAP.multipliers] = this.#multipliers;
    words[map / 4 + MAP.multiplierBits] = bits;
    words[map / 4 + MAP.exponent] = exponent;
    const ors = products.map(({ tokens }) => new Int32Array(tokens));
    const most = this.#rowsOf(stride);
    for (let from = 0; from < rows; from += most) {
      const to = Math.min(rows, from + most);
      await this.#readRows(tensor, from, to - from);
      // The record counts rows from the first, which lies nowhere: addresses wrap around, as they do in the kernels.
      this.#heap.i32[map / 4 + MAP.data] = this.#block - from * stride;
      if (this.#sums !== 0) this.#sumRows(map, from, to - from);
      for (const [i, { x, tokens, y }] of products.entries()) {
        this.#kernels.linear(map, x, tokens, y, from, to, 0);
        this.#joinOrs(y, ors[i] ?? new Int32Array());
      }
    }
    this.#heap.i32[map / 4 + MAP.data] = number;
  }

  /** Some rows of a matrix, by ascending index, as a matrix of its own that stays. */
  async pick(tensor: PlannedTensor, indexes: readonly number[]): Promise<PlacedMatrix> {
    const [, columns = 0] = tensor.shape;
    const stride = strideOf(columns);
    const data = this.#heap.allocate(indexes.length * stride);
    const multipliers = this.#heap.allocate(4 * indexes.length);
    const { exponent, bits } = await this.#readScales(tensor);
    for (const [i, index] of indexes.entries()) {
      const words = this.#heap.i32;
      words[multipliers / 4 + i] = words[this.#multipliers / 4 + index] ?? 0;
      await this.#source.readRange(tensor.name, index * columns, this.#heap.bytes(data + i * stride, columns));
    }
    const rows = indexes.length;
    return { kind: "matrix", data, stride, plane: 0, multipliers, multiplierBits: bits, exponent, rows, columns };
  }

  /** Rows of a block. */
  #rowsOf(stride: number): number {
    return Math.max(1, Math.floor(this.#blockBytes / (ROWS_AT_ONCE * stride))) * ROWS_AT_ONCE;
  }

  /** The scales of a whole matrix as multipliers: one exponent is theirs all. */
  async #readScales(tensor: PlannedTensor): Promise<{ readonly exponent: number; readonly bits: number }> {
    const [rows = 0] = tensor.shape;
    const { scales } = spanLayout(tensor);
    await this.#source.readRange(tensor.name, scales, this.#heap.bytes(this.#multipliers, 4 * rows));
    const exponent = this.#kernels.alignF32(this.#multipliers, rows);
    return { exponent, bits: this.#kernels.lastBits() };
  }

  async #readRows({ name, shape: [, columns = 0] }: PlannedTensor, from: number, count: number): Promise<void> {
    const stride = strideOf(columns);
    // Rows that need padding are read to the end of their place and moved apart towards its start.
    const at = this.#block + count * (stride - columns);
    await this.#source.readRange(name, from * columns, this.#heap.bytes(at, count * columns));
    if (stride !== columns) this.#kernels.spread(this.#block, at, count, columns, stride);
  }

  #sumRows(map: number, from: number, count: number): void {
    const words = this.#heap.i32;
    words[this.#blockRecord / 4 + MAP.data] = this.#block;
    words[this.#blockRecord / 4 + MAP.stride] = words[map / 4 + MAP.stride] ?? 0;
    words[this.#blockRecord / 4 + MAP.rows] = count;
    this.#kernels.sumRows(this.#blockRecord, this.#sums + 4 * from);
    words[map / 4 + MAP.sums] = this.#sums;
  }

  /** A block leaves the or of its own results in the heads; those of the blocks before are joined to it. */
  #joinOrs(y: number, ors: Int32Array): void {
    const words = this.#heap.i32;
    const heads = (words[y / 4 + ROWS.heads] ?? 0) >>> 0;
    for (let t = 0; t < ors.length; t++) {
      const at = (heads + t * HEAD.bytes) / 4 + HEAD.or;
      words[at] = ors[t] = (ors[t] ?? 0) | (words[at] ?? 0);
    }
  }
}

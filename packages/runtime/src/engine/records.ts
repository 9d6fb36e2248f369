/**
 * Records: what a kernel reads of a matrix, a norm, a rotation, as 32-bit words in WebAssembly memory. Their fields: ./layout.
 */
import { type Linear, type Norm, type Rope, tensorNameAt } from "@s7l/format";
import { RuntimeError } from "../errors.ts";
import { log2Fixed } from "../reference/attention.ts";
import { f32Parts } from "../reference/f32.ts";
import { type Scope, tensorAt } from "../reference/scope.ts";
import type { Heap, Words } from "./heap.ts";
import type { Kernels } from "./kernels.ts";
import * as MAP from "./layout/map.ts";
import * as NORM from "./layout/norm.ts";
import type { MapStep, NormStep, RotationStep, Sizes } from "./program.ts";
import { type AlignedVector, alignVector, type PlacedMatrix, type PlacedTensor, type PlacedVector } from "./tensors.ts";

/** A map of nothing. */
export const EMPTY_MAP: Words<keyof typeof MAP> = {
  data: 0,
  stride: 0,
  plane: 0,
  multipliers: 0,
  multiplierBits: 0,
  exponent: 0,
  rows: 0,
  columns: 0,
  bias: 0,
  biasExponent: 0,
  biasBits: 0,
  sums: 0,
};

/** Writes records of a fold's tensors, and keeps what all of them together need: the largest sizes, and the tables they share. */
export class Records {
  readonly #heap: Heap;
  readonly #kernels: Kernels;
  readonly #tensors: ReadonlyMap<string, PlacedTensor>;
  readonly #rowSums: boolean;
  readonly #constants = new Map<string, number>();
  readonly rotations: RotationStep[] = [];
  /** Page size of each cache table. */
  readonly pageBytes: number[] = [];
  readonly sizes: Sizes = {
    residual: 0,
    activation: 0,
    queries: 0,
    keys: 0,
    values: 0,
    shared: 0,
    latent: 0,
    factors: 0,
    paddedQueries: 0,
    heads: 0,
    headPad: 0,
    paddedMixed: 0,
    mixed: 0,
    hidden: 0,
    experts: 0,
    used: 0,
  };

  /** `rowSums`: with the row sums that relaxed kernels need. */
  constructor(heap: Heap, kernels: Kernels, tensors: ReadonlyMap<string, PlacedTensor>, rowSums: boolean) {
    this.#heap = heap;
    this.#kernels = kernels;
    this.#tensors = tensors;
    this.#rowSums = rowSums;
  }

  /** Places words in a row; gives their address. */
  words(words: readonly number[]): number {
    return this.#heap.words(words);
  }

  /** Places a record. */
  record<Name extends string>(layout: Words<Name>, fields: Words<NoInfer<Name>>): number {
    return this.#heap.record(layout, fields);
  }

  /** Notes that one more part needs a size. */
  grow(size: keyof Sizes, to: number): void {
    this.sizes[size] = Math.max(this.sizes[size], to);
  }

  /** A cache table for the attention of this record. */
  addCache(attention: number): { readonly cache: number; readonly pageBytes: number } {
    const pageBytes = this.#kernels.pageBytes(attention);
    return { cache: this.pageBytes.push(pageBytes) - 1, pageBytes };
  }

  matrix(pattern: string, scope: Scope): PlacedMatrix {
    const found = tensorAt(this.#tensors, pattern, scope);
    if (found.kind !== "matrix")
      throw new RuntimeError("engine", `tensor ${pattern} is used as a matrix but planned as a vector`);
    return found;
  }

  raw(pattern: string, scope: Scope): PlacedVector {
    const found = tensorAt(this.#tensors, pattern, scope);
    if (found.kind !== "vector")
      throw new RuntimeError("engine", `tensor ${pattern} is used as a vector but planned as a matrix`);
    return found;
  }

  vector(pattern: string, scope: Scope): AlignedVector {
    return alignVector(this.#kernels, this.raw(pattern, scope));
  }

  /** f32 bits of a vector. */
  bits(pattern: string, scope: Scope): readonly number[] {
    const { data, length } = this.raw(pattern, scope);
    return Array.from(this.#heap.i32.subarray(data / 4, data / 4 + length), (word) => word >>> 0);
  }

  map({ tensor, bias }: Linear, scope: Scope): MapStep {
    const m = this.matrix(tensor, scope);
    const b = bias === undefined ? undefined : this.vector(bias, scope);
    this.grow("activation", m.columns);
    const sums = this.#rowSums && m.plane === 0 ? this.#heap.allocate(m.rows * 4) : 0;
    const record = this.#heap.record(MAP, {
      ...m,
      bias: b?.data ?? 0,
      biasExponent: b?.exponent ?? 0,
      biasBits: b?.bits ?? 0,
      sums,
    });
    if (sums !== 0) this.#kernels.sumRows(record, sums);
    return { record, rows: m.rows, columns: m.columns, biased: b !== undefined };
  }

  /** A map of which only the rows and the bias are read. */
  bias(bias: string, rows: number, scope: Scope): number {
    const { data, exponent, bits } = this.vector(bias, scope);
    return this.#heap.record(MAP, { ...EMPTY_MAP, rows, bias: data, biasExponent: exponent, biasBits: bits });
  }

  norm(norm: Norm | undefined, scope: Scope): NormStep | undefined {
    if (!norm) return undefined;
    const gain = this.vector(norm.gain, scope);
    const bias = norm.kind === "layer" && norm.bias !== undefined ? this.vector(norm.bias, scope) : undefined;
    const eps = f32Parts(norm.eps);
    const record = this.#heap.record(NORM, {
      layer: norm.kind === "layer" ? 1 : 0,
      epsSignificand: eps.significand,
      epsExponent: eps.exponent,
      gain: gain.data,
      gainExponent: gain.exponent,
      bias: bias?.data ?? 0,
      biasExponent: bias?.exponent ?? 0,
      biasBits: bias?.bits ?? 0,
    });
    return { record };
  }

  needNorm(norm: Norm, scope: Scope): NormStep {
    const step = this.norm(norm, scope);
    if (!step) throw new RuntimeError("engine", "latent attention without a norm");
    return step;
  }

  rotation(rope: Rope, scope: Scope): RotationStep {
    const { data, length } = this.raw(rope.frequencies, scope);
    const { significand, exponent } = f32Parts(rope.magnitude);
    const known = this.rotations.find(
      (r) => r.frequencies === data && r.significand === significand && r.exponent === exponent,
    );
    if (known) return known;
    const step = { index: this.rotations.length, frequencies: data, pairs: length, significand, exponent };
    this.rotations.push(step);
    return step;
  }

  /** i32 fixed point of every f32 of a vector: placed once, however many layers name it. */
  constants(pattern: string, scope: Scope, fraction: number): number {
    const key = `${tensorNameAt(pattern, scope.layer, scope.expert)} ${fraction}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const record = this.#heap.words(this.bits(pattern, scope).map((b) => log2Fixed(b, fraction)));
    this.#constants.set(key, record);
    return record;
  }
}

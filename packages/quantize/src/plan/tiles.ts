/**
 * Tiles of 32 × 32 int8 (seed 001 §8): one tile row fills an AVX2 register, and a tile is 1 KiB. A matrix whose sides are
 * multiples of 32 is whole tiles; another has tiles that padding fills.
 */
import type { TensorGroup } from "./groups.ts";

export const TILE = 32;
/** Bytes of the L1 data cache that the seed assumes. */
const L1 = 32 * 1024;

export interface TileFit {
  readonly tileBytes: number;
  /** Tiles that L1 holds. */
  readonly tilesInL1: number;
  /** Tiles of all int8 matrices, each copy counted. */
  readonly tiles: number;
  /** Share of the tiles' bytes that hold weights. */
  readonly fill: number;
  /** Matrices with a side that is no multiple of 32, by name. */
  readonly ragged: readonly string[];
}

/** Tiles of a matrix [out, in], or 0 for a vector. */
export function tilesOf(shape: readonly number[]): number {
  const [rows, columns] = shape;
  return rows === undefined || columns === undefined ? 0 : Math.ceil(rows / TILE) * Math.ceil(columns / TILE);
}

/** How a model's matrices divide into tiles. */
export function tileFit(groups: readonly TensorGroup[]): TileFit {
  let tiles = 0;
  let elements = 0;
  const ragged = new Set<string>();
  for (const { times, tensors } of groups) {
    for (const { name, shape, numel, copies } of tensors) {
      if (shape.length < 2) continue;
      tiles += tilesOf(shape) * copies * times;
      elements += numel * copies * times;
      if (shape.some((size) => size % TILE !== 0)) ragged.add(name);
    }
  }
  const tileBytes = TILE * TILE;
  return { tileBytes, tilesInL1: L1 / tileBytes, tiles, fill: elements / (tiles * tileBytes), ragged: [...ragged] };
}

import { expect, test } from "vitest";
import { describeEngines } from "../../test/engines.ts";
import { Dice } from "../../test/random-model.ts";
import type { Activation } from "../reference/block.ts";
import { bitLength } from "../reference/integer.ts";
import { type Matrix, multiplyMatrix } from "../reference/linear.ts";
import { Heap } from "./heap.ts";
import { BASE, compileKernels } from "./host.ts";
import { instantiateKernels, workspaceBytes } from "./kernels.ts";
import * as HEAD from "./layout/head.ts";
import * as MAP from "./layout/map.ts";
import * as ROWS from "./layout/rows.ts";
import { EMPTY_MAP } from "./records.ts";

const GUARD = 0x55aa33cc;

/** A matrix of extremes and random rows. */
function matrixOf(dice: Dice, rows: number, columns: number): Matrix {
  const extreme = [127, -127];
  const weights = Int8Array.from({ length: rows * columns }, (_, i) => {
    const row = Math.floor(i / columns);
    return row % 5 === 1 ? (extreme[row & 1] ?? 0) : dice.between(-127, 127);
  });
  const multipliers = Int32Array.from({ length: rows }, () => dice.between(0, 2 ** 25 - 1));
  const multiplierBits = bitLength(multipliers.reduce((most, m) => Math.max(most, m), 0));
  return { rows, columns, weights, weightBound: 127, multipliers, multiplierBits, exponent: -31 };
}

/** Tokens by turns: random, of the largest sums of either sign, zero. */
function activationOf(dice: Dice, token: number, columns: number): Activation {
  const fill = [() => dice.between(-8192, 8191), () => 8191, () => -8192, () => dice.between(-3, 3), () => 0][
    token % 5
  ];
  const q = Int16Array.from({ length: columns }, () => fill?.() ?? 0);
  return { q, exponent: dice.between(-40, 5), l1: q.reduce((sum, v) => sum + Math.abs(v), 0) };
}

const up = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Every token's product by the kernels, rows shared between two parts, and by the definition. */
async function both(
  engine: "simd" | "relaxed",
  tall: number,
  [rows, columns, tokens, split]: readonly [number, number, number, number],
) {
  const dice = new Dice(rows * 7919 + columns * 31 + tokens);
  const matrix = matrixOf(dice, rows, columns);
  const xs = Array.from({ length: tokens }, (_, t) => activationOf(dice, t, columns));
  const heap = new Heap(BASE, false);
  const kernels = await instantiateKernels(await compileKernels(engine, false), heap.memory);
  const stride = up(columns, 16);
  const weights = heap.allocate(rows * stride);
  for (let r = 0; r < rows; r++)
    heap
      .bytes(weights + r * stride, columns)
      .set(Uint8Array.from(matrix.weights.subarray(r * columns, (r + 1) * columns)));
  const sums = heap.allocate(rows * 4);
  const { multipliers, multiplierBits, exponent } = matrix;
  const place = heap.words([...multipliers]);
  const map = heap.record(MAP, {
    ...EMPTY_MAP,
    data: weights,
    stride,
    multipliers: place,
    multiplierBits,
    exponent,
    rows,
    columns,
    sums,
  });
  const pitch = up(columns, 32);
  const x = heap.allocate(tokens * pitch * 2);
  const xHeads = heap.allocate(tokens * HEAD.bytes);
  xs.forEach(({ q, exponent, l1 }, t) => {
    new Int16Array(heap.memory.buffer, x + t * pitch * 2, columns).set(q);
    const head = (xHeads + t * HEAD.bytes) / 4;
    heap.i32[head + HEAD.exponent] = exponent;
    heap.i32[head + HEAD.l1] = l1;
  });
  const width = up(rows, 32);
  const y = heap.allocate(tokens * width * 4);
  const heads = heap.allocate(tokens * HEAD.bytes);
  const workspace = heap.allocate(workspaceBytes(tokens, pitch));
  const guard = heap.words(Array<number>(64).fill(GUARD));
  heap.i32.fill(GUARD, y / 4, y / 4 + tokens * width);
  kernels.sumRows(map, sums);
  kernels.setWorkspace(workspace, tall);
  const from = heap.record(ROWS, { data: x, heads: xHeads, stride: pitch });
  const to = heap.record(ROWS, { data: y, heads, stride: width });
  kernels.linear(map, from, tokens, to, 0, split, 0);
  kernels.linear(map, from, tokens, to, split, rows, 1);

  const words = heap.i32;
  const padded = up(rows, 8);
  const headOf = (t: number): number => (heads + t * HEAD.bytes) / 4;
  const actual = xs.map((_, t) => ({
    mantissas: words.slice(y / 4 + t * width, y / 4 + t * width + padded),
    beyond: words.slice(y / 4 + t * width + padded, y / 4 + (t + 1) * width),
    exponent: words[headOf(t) + HEAD.exponent],
    bits: bitLength((words[headOf(t) + HEAD.or] ?? 0) | (words[headOf(t) + HEAD.or + 1] ?? 0)),
  }));
  const expected = xs.map((activation) => {
    const { mantissas, exponent } = multiplyMatrix(matrix, activation);
    const largest = mantissas.reduce((most, m) => Math.max(most, Math.abs(m)), 0);
    return {
      mantissas: Int32Array.from({ length: padded }, (_, r) => mantissas[r] ?? 0),
      beyond: new Int32Array(width - padded).fill(GUARD),
      exponent,
      bits: bitLength(largest),
    };
  });
  return { actual, expected, guard: words.slice(guard / 4, guard / 4 + 64) };
}

describeEngines("kernels give the products of the definition", (engine) => {
  // Tiles are four rows by two tokens, or from 16 tokens of 384 columns on sixteen by eight, or 32 where tall, 1024 columns at a time; rows of more than 512 columns are read from four quarters; sums of 4,500 may pass 32 bits.
  const shapes: readonly (readonly [number, number, number, number])[] = [
    [1, 1, 1, 0],
    [3, 16, 3, 2],
    [4, 17, 2, 0],
    [7, 40, 2, 4],
    [13, 512, 5, 5],
    [23, 513, 1, 16],
    [30, 600, 7, 11],
    [37, 2048, 4, 36],
    [65, 96, 11, 32],
    [9, 2200, 5, 4],
    [9, 4500, 1, 4],
    [19, 4500, 10, 6],
    [300, 33, 64, 148],
    [64, 384, 16, 32],
    [37, 400, 19, 16],
    [51, 1100, 29, 32],
    [16, 2048, 24, 0],
    [18, 384, 250, 16],
    [102, 2048, 17, 36],
  ];
  const cases = shapes.flatMap((shape) => [false, true].map((tall) => ({ shape, tall })));
  test.each(cases)(
    "$shape: rows, columns, tokens, the row that parts begin at; tall: $tall",
    async ({ shape, tall }) => {
      const { actual, expected, guard } = await both(engine, tall ? 1 : 0, shape);
      expect(actual).toEqual(expected);
      expect(guard).toEqual(new Int32Array(64).fill(GUARD));
    },
  );
});

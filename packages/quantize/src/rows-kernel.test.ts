import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { quantizeOnKernel } from "./rows-kernel.ts";

/** The definition in plain words: f32 division, ties to even, a scale below the smallest normal f32 flushed with its row. */
function plainly(row: readonly number[]) {
  const largest = Math.max(...row.map(Math.abs));
  const quotient = Math.fround(largest / 127);
  const scale = quotient < 2 ** -126 ? 0 : quotient;
  const even = (x: number): number => {
    const down = Math.floor(x);
    if (x - down !== 0.5) return Math.round(x);
    return down % 2 === 0 ? down : down + 1;
  };
  const q = row.map((w) => (scale === 0 ? 0 : even(Math.fround(w / scale)) + 0));
  const errors = row.map((w, i) => Math.abs(w - scale * (q[i] ?? 0)));
  const squares = row.reduce((sum, w) => sum + w * w, 0);
  return { q, scale, errors, outlier: scale !== 0 && largest * largest * row.length > 256 * squares };
}

function onKernel(rows: readonly (readonly number[])[]) {
  const columns = rows[0]?.length ?? 1;
  const out = new Int8Array(rows.length * columns);
  const scales = new Float32Array(rows.length);
  const sums = quantizeOnKernel(Float32Array.from(rows.flat()), columns, out, scales);
  return { out: [...out], scales: [...scales], sums };
}

const finite = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, min: -1, max: 1 }),
  fc.constantFrom(0, -0, 2 ** -126, -(2 ** -126), 2 ** -149, 127 * 2 ** -126, 3.4028234663852886e38),
  // Halves of a step: ties.
  fc.integer({ min: -254, max: 254 }).map((half) => half / 2),
);
const matrix = fc
  .tuple(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 4 }))
  .chain(([columns, rows]) =>
    fc.array(fc.array(finite, { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows }),
  );

describe("the kernel", () => {
  test("gives the integers, scales and errors of the definition, for any finite weights", () => {
    fc.assert(
      fc.property(matrix, (rows) => {
        const expected = rows.map((row) => plainly(row));
        const { out, scales, sums } = onKernel(rows);
        expect(out).toEqual(expected.flatMap(({ q }) => q));
        expect(scales).toEqual(expected.map(({ scale }) => scale));
        if (typeof sums === "number") throw new Error("refused");
        const errors = expected.flatMap((row) => row.errors);
        expect(sums.maxError).toBe(Math.max(...errors));
        const squared = errors.reduce((sum, error) => sum + error * error, 0);
        expect(Math.abs(sums.squaredError - squared)).toBeLessThanOrEqual(squared * 1e-12);
        expect(sums.outlierRows).toBe(expected.filter(({ outlier }) => outlier).length);
      }),
      { numRuns: 500 },
    );
  });

  test("gives the same for rows beyond one tile, and for a row longer than a tile", () => {
    for (const [rows, columns] of [
      [300, 1001],
      [2, 70_001],
    ] as const) {
      const values = Array.from({ length: rows }, (_, row) =>
        Array.from({ length: columns }, (_, i) => Math.fround(Math.sin(row * 7919 + i * 31) * (1 + row))),
      );
      const expected = values.map((row) => plainly(row));
      const { out, scales } = onKernel(values);
      expect(out.findIndex((q, i) => q !== (expected[Math.floor(i / columns)]?.q[i % columns] ?? 0))).toBe(-1);
      expect(scales).toEqual(expected.map(({ scale }) => scale));
    }
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "refuses %d by its row, in any column",
    (value) => {
      for (const columns of [1, 4, 7, 40_000]) {
        for (const column of [0, columns - 1]) {
          const rows = [0, 1, 2].map(() => new Array<number>(columns).fill(1));
          rows[2]?.splice(column, 1, value);
          expect(onKernel(rows).sums).toBe(2);
        }
      }
    },
  );
});

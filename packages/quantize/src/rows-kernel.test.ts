import { FormatError } from "@s7l/format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesOfFloat, decodeFloats, STORED_FLOATS, type StoredFloat } from "./checkpoint/stored-float.ts";
import { takeKernel } from "./rows-kernel.ts";

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

/** What the kernel makes of stored rows, in memory of its own; `area` is where they lie. */
function quantizeStored(type: StoredFloat, stored: Uint8Array, columns: number, area: 0 | 1 = 0) {
  const elements = stored.length / bytesOfFloat(type);
  const kernel = takeKernel(type, elements, columns);
  kernel.inputs[area].set(stored);
  const result = kernel.quantize(area, elements / columns);
  kernel.release();
  if (typeof result === "number") return { out: [], scales: [], sums: result };
  const { values, scales, ...sums } = result;
  return { out: [...values], scales: [...scales], sums };
}

function onKernel(rows: readonly (readonly number[])[], area: 0 | 1 = 0) {
  const values = Float32Array.from(rows.flat());
  return quantizeStored("F32", new Uint8Array(values.buffer), rows[0]?.length ?? 1, area);
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
      fc.property(matrix, fc.constantFrom(0, 1), (rows, area) => {
        const expected = rows.map((row) => plainly(row));
        const { out, scales, sums } = onKernel(rows, area);
        expect(out).toEqual(expected.flatMap(({ q }) => q));
        expect(scales).toEqual(expected.map(({ scale }) => scale));
        if (typeof sums === "number") throw new Error("refused");
        const errors = expected.flatMap((row) => row.errors);
        // r = w / scale is rounded to f32, which moves an error by 2^-18 of a step at most; so does the scale, at the largest weight.
        const step = Math.max(...expected.map(({ scale }) => scale));
        expect(Math.abs(sums.maxError - Math.max(...errors))).toBeLessThanOrEqual(step * 1.2e-5);
        const squared = expected.flatMap(({ errors, scale }) =>
          errors.map((error) => [error * error, error * scale + scale ** 2 * 1e-5]),
        );
        const sum = squared.reduce((total, [square = 0]) => total + square, 0);
        const slack = squared.reduce((total, [, room = 0]) => total + room * 2.4e-5, 0);
        expect(Math.abs(sums.squaredError - sum)).toBeLessThanOrEqual(slack + sum * 1e-6);
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

  test("puts rows behind those that it is told to keep, and refuses what it has no room for", () => {
    const kernel = takeKernel("F32", 6, 3);
    const give = (...values: readonly number[]): void =>
      kernel.inputs[0].set(new Uint8Array(Float32Array.from(values).buffer));
    const made = (behind?: number): readonly number[] => {
      const rows = kernel.quantize(0, 2, behind);
      if (typeof rows === "number") throw new Error("refused");
      return [...rows.values];
    };
    give(127, 1, 2, 3, 127, 4);
    expect(made()).toEqual([127, 1, 2, 3, 127, 4]);
    give(5, 6, 127, -127, 7, 8);
    expect(made(6)).toEqual([127, 1, 2, 3, 127, 4, 5, 6, 127, -127, 7, 8]);
    expect(made(0)).toEqual([5, 6, 127, -127, 7, 8]);
    expect(() => kernel.quantize(0, 2, kernel.room - 5)).toThrow(FormatError);
    kernel.release();
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

  test.each(["BF16", "F16"] as const)("gives for %s what it gives for the same values in F32", (type) => {
    const limit = type === "BF16" ? 0x7f80 : 0x7c00;
    const bits = fc
      .tuple(fc.integer({ min: 0, max: limit - 1 }), fc.boolean())
      .map(([m, minus]) => m | (minus ? 0x8000 : 0));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }),
        fc.array(bits, { minLength: 70, maxLength: 280 }),
        (columns, words) => {
          const rows = Math.floor(words.length / columns);
          const stored = new Uint8Array(Uint16Array.from(words.slice(0, rows * columns)).buffer);
          const values = decodeFloats(type, stored);
          const wide = quantizeStored("F32", new Uint8Array(values.buffer), columns);
          expect(quantizeStored(type, stored, columns)).toEqual(wide);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("counts a row whose largest weight dwarfs the rest, in any segment of it, and no other", () => {
    const quiet: readonly number[] = Array.from({ length: 9001 }, (_, i) => (i % 2 ? 0.01 : -0.01));
    for (const at of [0, 4095, 4096, 9000]) {
      const { sums } = onKernel([quiet, quiet.with(at, 1)]);
      expect(sums).toMatchObject({ outlierRows: 1 });
    }
  });

  test.each(STORED_FLOATS)("refuses NaN and infinity in %s by the row", (type) => {
    for (const bad of type === "F32"
      ? [0x7f80, 0xff80, 0x7fc0]
      : type === "BF16"
        ? [0x7f80, 0xff80, 0x7fc0]
        : [0x7c00, 0xfc00, 0x7e01]) {
      for (const columns of [1, 7, 8, 40]) {
        const size = bytesOfFloat(type);
        const stored = new Uint8Array(3 * columns * size);
        // The last weight of the last row but one; of F32 its upper half.
        new DataView(stored.buffer).setUint16(2 * columns * size - 2, bad, true);
        expect(quantizeStored(type, stored, columns).sums).toBe(1);
      }
    }
  });
});

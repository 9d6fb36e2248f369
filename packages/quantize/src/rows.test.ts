import fc from "fast-check";
import { expect, test } from "vitest";
import { quantizeRows, quantizeRowsTwice, type RowStatistics, startStatistics } from "./rows.ts";
import { takeKernel } from "./rows-kernel.ts";

/** What quantizeRows gives, in memory of its own. */
function quantizeOnce(values: Float32Array, columns: number, statistics: RowStatistics) {
  const kernel = takeKernel("F32", values.length, columns);
  const raw = kernel.inputs[0];
  raw.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  try {
    const { values: high, scales } = quantizeRows(
      kernel,
      { type: "F32", raw, area: 0 },
      columns,
      "layer.weight",
      statistics,
    );
    return { high: high.slice(), low: new Int8Array(), scales: scales.slice() };
  } finally {
    kernel.release();
  }
}

const quantize = (rows: readonly (readonly number[])[], planes: 1 | 2 = 1) => {
  const statistics = startStatistics();
  const columns = rows[0]?.length ?? 0;
  const values = Float32Array.from(rows.flat());
  const make = planes === 1 ? quantizeOnce : quantizeTwice;
  return { ...make(values, columns, statistics), statistics };
};

const quantizeTwice = (values: Float32Array, columns: number, statistics: RowStatistics) =>
  quantizeRowsTwice(values, columns, "layer.weight", statistics);

/** The seed's formula, word for word, in f32. */
function seedFormula(row: readonly number[]): { readonly scale: number; readonly q: number[] } {
  const { fround, abs, max } = Math;
  const scale = fround(max(...row.map((w) => abs(fround(w)))) / 127);
  const halfEven = (x: number): number => {
    const low = Math.floor(x);
    if (x - low !== 0.5) return Math.round(x);
    return low % 2 === 0 ? low : low + 1;
  };
  return { scale, q: row.map((w) => Math.min(127, Math.max(-128, halfEven(fround(fround(w) / scale))))) };
}

test("a row is scaled by its largest magnitude, and rounded", () => {
  const { high, scales } = quantize([
    [1.27, -0.635, 0.01, 0],
    [-127, 1, 2.4, 2.6],
  ]);
  expect([...scales]).toEqual([Math.fround(Math.fround(1.27) / 127), 1]);
  expect([...high]).toEqual([127, -64, 1, 0, -127, 1, 2, 3]);
});

test("a tie goes to the even integer, on both sides of zero", () => {
  const { high } = quantize([[127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5]]);
  expect([...high]).toEqual([127, 0, 2, 2, 0, -2, -2, 126]);
});

test("a row of zeros has scale 0, also between others", () => {
  const { high, scales } = quantize([
    [1, 1],
    [0, -0],
    [2, -2],
  ]);
  expect([...scales]).toEqual([Math.fround(1 / 127), 0, Math.fround(2 / 127)]);
  expect([...high]).toEqual([127, 127, 0, 0, 127, -127]);
});

test("a scale that would be subnormal is flushed with its row, and the report says what was lost", () => {
  const tiny = 127 * 2 ** -127;
  const { high, scales, statistics } = quantize([[tiny, -tiny]]);
  expect([...scales, ...high]).toEqual([0, 0, 0]);
  expect(statistics.maxError).toBe(tiny);
  expect([...quantize([[127 * 2 ** -126, 0]]).high]).toEqual([127, 0]);
});

test("the largest floats do not overflow", () => {
  const most = 3.4028234663852886e38;
  const { high, scales } = quantize([[most, -most, most / 4]]);
  expect([...high]).toEqual([127, -127, 32]);
  expect(Number.isFinite(scales[0])).toBe(true);
});

const weight = fc.float({ noNaN: true, noDefaultInfinity: true });

test("every row is what the seed's formula gives, and never -128", () => {
  fc.assert(
    fc.property(fc.array(weight, { minLength: 1, maxLength: 40 }), (row) => {
      const { scale, q } = seedFormula(row);
      const { high, scales } = quantize([row]);
      if (scale < 2 ** -126) return scales[0] === 0 && high.every((value) => value === 0);
      expect(scales[0]).toBe(scale);
      expect([...high]).toEqual(q.map((value) => value + 0));
      return !high.includes(-128);
    }),
    { numRuns: 500 },
  );
});

test("the error of a weight is at most half a step, and the report is the largest and the root mean square", () => {
  const row = Array.from({ length: 64 }, (_, i) => Math.fround(Math.sin(i * i)));
  const { high, scales, statistics } = quantize([row]);
  const scale = scales[0] ?? 0;
  const errors = row.map((w, i) => Math.abs(w - scale * (high[i] ?? 0)));
  expect(Math.abs(statistics.maxError - Math.max(...errors))).toBeLessThanOrEqual(scale * 1e-5);
  expect(statistics.maxError).toBeLessThanOrEqual((scale / 2) * (1 + 1e-5));
  const squared = errors.reduce((n, e) => n + e * e, 0);
  expect(Math.abs(statistics.squaredError - squared)).toBeLessThanOrEqual(squared * 1e-4);
});

test("two planes hold sixteen bits: a thousandth of the step of one", () => {
  fc.assert(
    fc.property(fc.array(weight, { minLength: 1, maxLength: 40 }), (row) => {
      const { high, low, scales } = quantize([row], 2);
      const scale = scales[0] ?? 0;
      expect([...high]).toEqual([...quantize([row]).high]);
      expect(high.includes(-128) || low.includes(-128)).toBe(false);
      row.forEach((w, i) => {
        const sealed = (scale / 254) * (254 * (high[i] ?? 0) + (low[i] ?? 0));
        if (scale > 0) expect(Math.abs(w - sealed)).toBeLessThanOrEqual((scale / 508) * (1 + 1e-4));
      });
    }),
    { numRuns: 300 },
  );
});

test("a row whose largest weight dwarfs the rest is counted as an outlier", () => {
  const quiet = Array.from({ length: 1024 }, (_, i) => (i % 2 ? 0.01 : -0.01));
  expect(quantize([quiet, [1, ...quiet.slice(1)]]).statistics).toMatchObject({
    rows: 2,
    elements: 2048,
    outlierRows: 1,
  });
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  "%d is refused with the tensor and index",
  (bad) => {
    const statistics = startStatistics();
    const blocks = [Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 2, 3, bad)];
    const run = (planes: 1 | 2) => {
      for (const block of blocks) (planes === 1 ? quantizeOnce : quantizeTwice)(block, 2, statistics);
    };
    const refusal = {
      name: "QuantizeError",
      code: "value",
      at: "layer.weight [3, 1]",
      message: `layer.weight [3, 1] is ${bad}; a weight must be a finite number`,
    };
    expect(() => run(1)).toThrow(expect.objectContaining(refusal));
    statistics.rows = 0;
    expect(() => run(2)).toThrow(expect.objectContaining(refusal));
  },
);

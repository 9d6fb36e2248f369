import { expect, test } from "vitest";
import { readTensorReport, reportOf, type TensorReport } from "./report.ts";

const tensor = { name: "a.weight", dtype: "i8", shape: [2, 3], component: "trunk" } as const;
const line: TensorReport = reportOf(tensor, {
  rows: 2,
  elements: 6,
  maxError: 0.5,
  squaredError: 0.06,
  outlierRows: 1,
});

test("the root mean square is over all elements, and 0 where none was rounded", () => {
  expect(line).toMatchObject({ rmsError: 0.1, maxError: 0.5, rows: 2, outlierRows: 1 });
  const none = { rows: 0, elements: 0, maxError: 0, squaredError: 0, outlierRows: 0 };
  expect(reportOf({ ...tensor, dtype: "f32" }, none).rmsError).toBe(0);
});

test("a line comes back from JSON as it was", () => {
  expect(readTensorReport(JSON.parse(JSON.stringify(line)))).toEqual(line);
  expect(readTensorReport({ ...line, more: 1 })).toEqual(line);
});

test.each<[string, unknown]>([
  ["null", null],
  ["a text", "line"],
  ["no name", { ...line, name: undefined }],
  ["a dtype that there is not", { ...line, dtype: "i4" }],
  ["a shape that is none", { ...line, shape: "2x3" }],
  ["a size that is none", { ...line, shape: [2, 0.5] }],
  ["a figure that is none", { ...line, rmsError: null }],
])("%s is no line", (_, json) => {
  expect(readTensorReport(json)).toBeUndefined();
});

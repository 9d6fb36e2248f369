/** What quantization did, for people: which tensors lost how much. */
import type { Dtype, PlannedTensor } from "@s7l/format";
import type { RowStatistics } from "./rows.ts";

export interface TensorReport {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Rows quantized; 0 where the tensor is not int8. */
  readonly rows: number;
  /** Largest |w - sealed w|. */
  readonly maxError: number;
  /** Root mean square of w - sealed w. */
  readonly rmsError: number;
  /** Rows whose largest weight is above 16 times their root mean square. */
  readonly outlierRows: number;
}

export interface Report {
  readonly family: string;
  readonly tensors: readonly TensorReport[];
}

/** A tensor's line of the report. */
export function reportOf({ name, dtype, shape }: PlannedTensor, statistics: RowStatistics): TensorReport {
  const { rows, elements, maxError, squaredError, outlierRows } = statistics;
  const rmsError = elements === 0 ? 0 : Math.sqrt(squaredError / elements);
  return { name, dtype, shape, rows, maxError, rmsError, outlierRows };
}

/** A line of a report as it comes back from JSON; undefined where it is none. */
export function readTensorReport(json: unknown): TensorReport | undefined {
  if (typeof json !== "object" || json === null || !("name" in json && "dtype" in json && "shape" in json))
    return undefined;
  const { name, dtype, shape } = json;
  const sizes: readonly unknown[] = Array.isArray(shape) ? shape : [undefined];
  if (typeof name !== "string" || !isDtype(dtype) || !sizes.every((size) => Number.isSafeInteger(size)))
    return undefined;
  const number = (key: string): number => {
    const value: unknown = Reflect.get(json, key);
    return typeof value === "number" ? value : Number.NaN;
  };
  const [rows, maxError, rmsError, outlierRows] = [
    number("rows"),
    number("maxError"),
    number("rmsError"),
    number("outlierRows"),
  ];
  if ([rows, maxError, rmsError, outlierRows].some(Number.isNaN)) return undefined;
  return { name, dtype, shape: sizes.map(Number), rows, maxError, rmsError, outlierRows };
}

const DTYPES: readonly Dtype[] = ["i8", "i8x2", "f32", "u64"];
const isDtype = (value: unknown): value is Dtype => DTYPES.some((dtype) => dtype === value);

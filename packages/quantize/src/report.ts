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

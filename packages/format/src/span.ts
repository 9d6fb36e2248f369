/**
 * The bytes of one tensor inside an artifact: its span.
 *
 * int8 data, padded with zeros to 32 bytes, then one f32 scale a row, padded likewise. Vectors have data alone.
 */
import { FormatError } from "./errors.ts";
import type { Dtype } from "./fold/tensor-plan.ts";

/** Multiplies, refusing what does not fit 53 bits. */
function product(shape: readonly number[]): number {
  let n = 1;
  for (const dim of shape) {
    n *= dim;
    if (!Number.isSafeInteger(n))
      throw new FormatError("layout", `a tensor of shape [${shape.join(", ")}] is too large`);
  }
  return n;
}

const up32 = (bytes: number): number => Math.ceil(bytes / 32) * 32;

/** Where the parts of a tensor's span lie, in bytes from its start; each part is padded with zeros to 32. */
export interface SpanLayout {
  /** int8 data (both planes of `i8x2`, the first at 0, the second at `plane`), f32 bits or u64 values. */
  readonly data: number;
  /** Distance of the second plane, or 0. */
  readonly plane: number;
  /** Offset of the f32 scales, one a row; equals `size` where there are none. */
  readonly scales: number;
  /** Bytes of the whole span. */
  readonly size: number;
}

/** `stored_bytes = ceil(numel / 32) · 32` for int8 data (seed 001 §8), and the same rule for every other part. */
export function spanLayout(tensor: { readonly dtype: Dtype; readonly shape: readonly number[] }): SpanLayout {
  const n = product(tensor.shape);
  const rows = tensor.shape[0] ?? 0;
  switch (tensor.dtype) {
    case "i8": {
      const scales = up32(n);
      return { data: n, plane: 0, scales, size: scales + up32(4 * rows) };
    }
    case "i8x2": {
      const plane = up32(n);
      return { data: n, plane, scales: 2 * plane, size: 2 * plane + up32(4 * rows) };
    }
    case "f32":
      return { data: 4 * n, plane: 0, scales: up32(4 * n), size: up32(4 * n) };
    case "u64":
      return { data: 8 * n, plane: 0, scales: up32(8 * n), size: up32(8 * n) };
  }
}

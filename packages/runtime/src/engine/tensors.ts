/** Tensors in WebAssembly memory: each span is read straight into its place, once, and turned there into what kernels read. */
import { type Fold, type PlannedTensor, spanLayout, tensorPlan } from "@s7l/format";
import type { Reading } from "@s7l/verify/threads";
import { RuntimeError } from "../errors.ts";
import type { Heap } from "./heap.ts";
import type { Kernels } from "./kernels.ts";

/** Where the spans of a fold come from; `VerifiedArtifact` is one. */
export interface TensorReader {
  readonly fold: Fold;
  /** A tensor's span (`spanLayout`). */
  read(name: string): Promise<Uint8Array>;
  /** The same, straight into memory of the span's length. */
  readInto?(name: string, target: Uint8Array): Promise<void>;
  /** The same for many, on several threads where the memory is shared. */
  readAll?(readings: readonly Reading[]): Promise<void>;
}

/** An int8 matrix: rows of `stride` bytes at `data`; see layout/map.ts. */
export interface PlacedMatrix {
  readonly kind: "matrix";
  readonly data: number;
  readonly stride: number;
  /** Address of the second plane, or 0. */
  readonly plane: number;
  readonly multipliers: number;
  readonly multiplierBits: number;
  readonly exponent: number;
  readonly rows: number;
  readonly columns: number;
}

/** f32 bits or u64 values, as sealed; {@link alignVector} turns f32 into a block. */
export interface PlacedVector {
  readonly kind: "vector";
  readonly data: number;
  readonly length: number;
}

export type PlacedTensor = PlacedMatrix | PlacedVector;

/** A sealed f32 vector as a block. */
export interface AlignedVector {
  readonly data: number;
  readonly exponent: number;
  readonly bits: number;
}

const up32 = (bytes: number): number => Math.ceil(bytes / 32) * 32;

/** Bytes of a row in memory: columns rounded up to 16. */
export const strideOf = (columns: number): number => Math.ceil(columns / 16) * 16;

/** Bytes that a tensor takes in memory. */
function placedBytes(tensor: PlannedTensor): number {
  const layout = spanLayout(tensor);
  const [rows = 0, columns = 0] = tensor.shape;
  const stride = strideOf(columns);
  switch (tensor.dtype) {
    case "f32":
    case "u64":
      return layout.size;
    case "i8":
      return stride === columns ? layout.size : up32(rows * stride) + 32 + up32(4 * rows);
    case "i8x2":
      return 2 * up32(rows * stride) + up32(4 * rows);
  }
}

/** Where a tensor lies in memory. */
interface Spot {
  readonly tensor: PlannedTensor;
  readonly data: number;
  /** Where its span is read to; undefined for two planes, which are read elsewhere first. */
  readonly span: number | undefined;
}

/** Reads tensors of the fold into the heap, in sealed order. Default: all. */
export async function placeTensors(
  heap: Heap,
  kernels: Kernels,
  source: TensorReader,
  plan: readonly PlannedTensor[] = tensorPlan(source.fold),
): Promise<ReadonlyMap<string, PlacedTensor>> {
  heap.reserve(plan.reduce((sum, tensor) => sum + placedBytes(tensor) + 64, 0));
  const placed = new Map<string, PlacedTensor>();
  const place = async (spot: Spot): Promise<void> => {
    placed.set(spot.tensor.name, await turnInPlace(heap, kernels, source, spot));
  };
  if (source.readAll) {
    const spots = plan.map((tensor) => spotOf(heap, tensor));
    await source.readAll(
      spots.flatMap(({ tensor, span }) =>
        span === undefined ? [] : [{ name: tensor.name, target: heap.bytes(span, spanLayout(tensor).size) }],
      ),
    );
    for (const spot of spots) await place(spot);
    return placed;
  }
  // The next tensor is on its way while this one is hashed: no more than two, so that a failure leaves little under way.
  let underWay: Promise<void> | undefined;
  for (const tensor of plan) {
    const spot = spotOf(heap, tensor);
    const task = readSpan(heap, source, spot).then(() => place(spot));
    const settled = Promise.allSettled([task]);
    try {
      await underWay;
    } catch (error) {
      await settled;
      throw error;
    }
    underWay = task;
  }
  await underWay;
  return placed;
}

function spotOf(heap: Heap, tensor: PlannedTensor): Spot {
  const size = placedBytes(tensor);
  const data = heap.allocate(size);
  // Rows that need padding are read to the end of their place, to be moved apart towards its start.
  const span = tensor.dtype === "i8x2" ? undefined : data + size - spanLayout(tensor).size;
  return { tensor, data, span };
}

/** Turns a span that was read into what kernels read. */
async function turnInPlace(
  heap: Heap,
  kernels: Kernels,
  source: TensorReader,
  { tensor, data, span: at = data }: Spot,
): Promise<PlacedTensor> {
  const layout = spanLayout(tensor);
  const [rows = 0, columns = 0] = tensor.shape;
  const stride = strideOf(columns);
  switch (tensor.dtype) {
    case "f32":
    case "u64":
      return { kind: "vector", data, length: rows };
    case "i8": {
      if (stride !== columns) kernels.spread(data, at, rows, columns, stride);
      const multipliers = at + layout.scales;
      const exponent = kernels.alignF32(multipliers, rows);
      const multiplierBits = kernels.lastBits();
      return { kind: "matrix", data, stride, plane: 0, multipliers, multiplierBits, exponent, rows, columns };
    }
    case "i8x2": {
      const span = await source.read(tensor.name);
      const plane = data + up32(rows * stride);
      const multipliers = plane + up32(rows * stride);
      for (let r = 0; r < rows; r++) {
        const from = r * columns;
        heap.bytes(data + r * stride, columns).set(span.subarray(from, from + columns));
        heap.bytes(plane + r * stride, columns).set(span.subarray(layout.plane + from, layout.plane + from + columns));
      }
      heap.bytes(multipliers, 4 * rows).set(span.subarray(layout.scales, layout.scales + 4 * rows));
      const exponent = kernels.alignF32(multipliers, rows) - 8;
      kernels.refineMultipliers(multipliers, rows);
      const multiplierBits = kernels.lastBits();
      return { kind: "matrix", data, stride, plane, multipliers, multiplierBits, exponent, rows, columns };
    }
  }
}

async function readSpan(heap: Heap, source: TensorReader, { tensor, span: at }: Spot): Promise<void> {
  if (at === undefined) return;
  const { name } = tensor;
  const length = spanLayout(tensor).size;
  if (source.readInto) return source.readInto(name, heap.bytes(at, length));
  const span = await source.read(name);
  if (span.length !== length)
    throw new RuntimeError("engine", `tensor ${name} came with ${span.length} bytes of ${length}`, name);
  heap.bytes(at, length).set(span);
}

/** Turns f32 bits into a block, in place. A vector is named once in a fold, so this happens once. */
export function alignVector(kernels: Kernels, { data, length }: PlacedVector): AlignedVector {
  const exponent = kernels.alignF32(data, length);
  return { data, exponent, bits: kernels.lastBits() };
}

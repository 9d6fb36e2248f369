/**
 * The span of one tensor that a checkpoint stores, in pieces: rows are read, hashed, quantized and handed on, a block at a time. Memory is
 * two blocks of rows and the scales of the tensor, whatever its size.
 */
import { createSha256, type PlannedTensor, type Sha256, spanLayout } from "@s7l/format";
import { blockElements, floatOf, type RowBlock, readBlocks, readRows } from "./checkpoint/read.ts";
import type { StoredTensor } from "./checkpoint/safetensors.ts";
import type { View } from "./checkpoint/view.ts";
import { QuantizeError } from "./errors.ts";
import { reportOf, type TensorReport } from "./report.ts";
import { quantizeRows, quantizeRowsTwice, type RowStatistics, startStatistics } from "./rows.ts";
import { takeKernel } from "./rows-kernel.ts";

/** What is known of a tensor once its span was read to its end. */
export interface SpanEnd {
  /** SHA-256 of the source bytes. */
  readonly digest: Uint8Array;
  readonly report: TensorReport;
}

/** The pieces of a span; each is good until the next is asked for. Throws QuantizeError `value`, FormatError `io`. */
export async function* quantizedSpan(
  tensor: PlannedTensor,
  view: View,
  stored: StoredTensor,
): AsyncGenerator<Uint8Array, SpanEnd, undefined> {
  const hash = createSha256();
  const statistics = startStatistics();
  if (tensor.dtype === "i8") yield* matrixSpan(tensor, view, stored, hash, statistics);
  else if (tensor.dtype === "i8x2") yield* twoPlaneSpan(tensor, view, stored, hash, statistics);
  else yield* vectorSpan(tensor, view, stored, hash);
  await stored.source.assertUnchanged?.();
  return { digest: hash.digest(), report: reportOf(tensor, statistics) };
}

/** The rows of a view, hashed as they pass: little-endian, as stored, in the order of the sealed rows. */
export async function* hashedRows(
  view: View,
  stored: StoredTensor,
  hash: Sha256,
): AsyncGenerator<RowBlock, void, undefined> {
  for await (const block of readRows(view, stored)) {
    hash.update(block.raw);
    yield block;
  }
}

function* zeros(count: number): Generator<Uint8Array, void, undefined> {
  if (count > 0) yield new Uint8Array(count);
}
const bytesOf = (values: Int8Array | Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

async function* matrixSpan(
  tensor: PlannedTensor,
  view: View,
  stored: StoredTensor,
  hash: Sha256,
  statistics: RowStatistics,
): AsyncGenerator<Uint8Array, void, undefined> {
  const [height = 0, columns = 0] = tensor.shape;
  const layout = spanLayout(tensor);
  const scales = new Float32Array(height);
  const type = floatOf(stored);
  const elements = blockElements(view, type);
  const kernel = takeKernel(type, elements, columns);
  let made: Int8Array = new Int8Array();
  try {
    for await (const { raw, area } of readBlocks(view, stored, kernel.inputs)) {
      hash.update(raw);
      const first = statistics.rows;
      const rows = { type, raw, area, behind: made.length };
      const block = quantizeRows(kernel, rows, columns, tensor.name, statistics);
      scales.set(block.scales, first);
      made = block.values;
      if (made.length + elements <= kernel.room) continue;
      yield bytesOf(made);
      made = new Int8Array();
    }
    if (made.length > 0) yield bytesOf(made);
  } finally {
    kernel.release();
  }
  yield* zeros(layout.scales - height * columns);
  yield bytesOf(scales);
  yield* zeros(layout.size - layout.scales - 4 * height);
}

/** Two planes: the second follows the whole first one, so it waits in memory. Only routers have it, which are small. */
async function* twoPlaneSpan(
  tensor: PlannedTensor,
  view: View,
  stored: StoredTensor,
  hash: Sha256,
  statistics: RowStatistics,
): AsyncGenerator<Uint8Array, void, undefined> {
  const [rows = 0, columns = 0] = tensor.shape;
  const layout = spanLayout(tensor);
  const scales = new Float32Array(rows);
  const low: Int8Array[] = [];
  for await (const { values } of hashedRows(view, stored, hash)) {
    const first = statistics.rows;
    const block = quantizeRowsTwice(values, columns, tensor.name, statistics);
    scales.set(block.scales, first);
    low.push(block.low);
    yield bytesOf(block.high);
  }
  yield* zeros(layout.plane - rows * columns);
  for (const plane of low) yield bytesOf(plane);
  yield* zeros(layout.scales - layout.plane - rows * columns);
  yield bytesOf(scales);
  yield* zeros(layout.size - layout.scales - 4 * rows);
}

async function* vectorSpan(
  tensor: PlannedTensor,
  view: View,
  stored: StoredTensor,
  hash: Sha256,
): AsyncGenerator<Uint8Array, void, undefined> {
  const layout = spanLayout(tensor);
  let index = 0;
  for await (const { values } of hashedRows(view, stored, hash)) {
    assertFinite(values, tensor.name, index);
    index += values.length;
    yield bytesOf(values);
  }
  yield* zeros(layout.size - layout.data);
}

/** Refuses (QuantizeError `value`) the first value of a vector that is not finite; `from` is the index of its first value. */
export function assertFinite(values: Float32Array, name: string, from: number): void {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return;
  const at = `${name} [${from + bad}]`;
  throw new QuantizeError("value", `${at} is ${values[bad]}; a weight must be a finite number`, at);
}

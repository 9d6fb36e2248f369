/** A test tool: a checkpoint's tensors as reals, before and after quantization. */
import { spanLayout, tensorPlan, type WeightSource } from "@s7l/format";
import type { Checkpoint } from "../src/checkpoint/checkpoint.ts";
import { readRows } from "../src/checkpoint/read.ts";
import { elementsOf, type View } from "../src/checkpoint/view.ts";
import type { LoweredCheckpoint } from "../src/lower.ts";
import type { FloatTensors } from "./fold-float.ts";

const tensorsOf =
  (map: ReadonlyMap<string, Float64Array>): FloatTensors =>
  (name) => {
    const found = map.get(name);
    if (!found) throw new Error(`tensor ${name} was not read`);
    return found;
  };

async function readView(view: View, checkpoint: Checkpoint): Promise<Float32Array> {
  const stored = checkpoint.tensors.get(view.tensor);
  if (!stored) throw new Error(`tensor ${view.tensor} is missing`);
  const values = new Float32Array(elementsOf(view));
  let filled = 0;
  for await (const rows of readRows(view, stored)) {
    values.set(rows.values, filled);
    filled += rows.values.length;
  }
  return values;
}

const turnsOf = (turn: bigint): number => Number(turn >> 11n) / 2 ** 53;
const realOf = (bits: number): number => new Float32Array(Uint32Array.of(bits).buffer)[0] ?? 0;

/** The checkpoint's own values, through the lowering's views but not through quantization. */
export async function unquantized(lowered: LoweredCheckpoint, checkpoint: Checkpoint): Promise<FloatTensors> {
  const map = new Map<string, Float64Array>();
  for (const { tensor, source } of lowered.tensors) {
    if (source.kind === "view") {
      map.set(tensor.name, Float64Array.from(await readView(source, checkpoint)));
    } else {
      const inputs = await Promise.all(source.inputs.map((view) => readView(view, checkpoint)));
      map.set(
        tensor.name,
        Float64Array.from(
          [...source.compute(inputs)].map((value) => (typeof value === "bigint" ? turnsOf(value) : realOf(value))),
        ),
      );
    }
  }
  return tensorsOf(map);
}

/** The sealed values: scale · q, or scale / 254 · (254 · high + low). */
export async function dequantized(weights: WeightSource): Promise<FloatTensors> {
  const map = new Map<string, Float64Array>();
  for (const tensor of tensorPlan(weights.fold)) {
    const layout = spanLayout(tensor);
    const bytes = new Uint8Array(layout.size);
    let filled = 0;
    for await (const piece of weights.span(tensor)) {
      bytes.set(piece, filled);
      filled += piece.length;
    }
    const view = new DataView(bytes.buffer);
    const [rows = 0, columns = 1] = tensor.shape;
    const scale = (i: number): number => view.getFloat32(layout.scales + 4 * Math.floor(i / columns), true);
    map.set(
      tensor.name,
      Float64Array.from({ length: rows * columns }, (_, i) => {
        if (tensor.dtype === "i8") return scale(i) * view.getInt8(i);
        if (tensor.dtype === "i8x2") return (scale(i) / 254) * (254 * view.getInt8(i) + view.getInt8(layout.plane + i));
        return tensor.dtype === "f32" ? view.getFloat32(4 * i, true) : turnsOf(view.getBigUint64(8 * i, true));
      }),
    );
  }
  return tensorsOf(map);
}

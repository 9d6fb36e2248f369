/** The embedded s7-mini, quantized on the spot: what a newcomer's first model does a second. */
import { fileURLToPath } from "node:url";
import { tensorPlan } from "@s7l/format";
import { openCheckpoint, quantize } from "@s7l/quantize";
import type { TensorReader } from "../src/engine/wasm-engine.ts";

const CHECKPOINTS = fileURLToPath(new URL("../../../models/s7-mini/checkpoints", import.meta.url));

/** Its fold and spans, read while the checkpoint is open. */
export async function withTrained<T>(use: (source: TensorReader) => Promise<T>): Promise<T> {
  const checkpoint = await openCheckpoint(CHECKPOINTS);
  try {
    const weights = quantize(checkpoint);
    const plan = new Map(tensorPlan(weights.fold).map((tensor) => [tensor.name, tensor]));
    return await use({
      fold: weights.fold,
      read: async (name) => {
        const tensor = plan.get(name);
        if (!tensor) throw new RangeError(`no tensor ${name}`);
        const pieces: Uint8Array[] = [];
        for await (const piece of weights.span(tensor)) pieces.push(piece.slice());
        return new Uint8Array(Buffer.concat(pieces));
      },
    });
  } finally {
    await checkpoint.close();
  }
}

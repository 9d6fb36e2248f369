/** A test tool: every span of some weights, by name. */
import { concatBytes, tensorPlan, type WeightSource } from "@s7l/format";

export async function spansOf(weights: WeightSource): Promise<ReadonlyMap<string, Uint8Array>> {
  const spans = new Map<string, Uint8Array>();
  for (const tensor of tensorPlan(weights.fold)) {
    const pieces: Uint8Array[] = [];
    for await (const piece of weights.span(tensor)) pieces.push(piece.slice());
    spans.set(tensor.name, concatBytes(...pieces));
  }
  return spans;
}

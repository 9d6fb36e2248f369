/** What a fold names, found: a tensor for a layer and an expert, the kind of each layer. */
import { type Layer, type Stack, tensorNameAt } from "@s7l/format";
import { RuntimeError } from "../errors.ts";

/** Where in a fold something is named. */
export interface Scope {
  readonly layer?: number;
  readonly expert?: number;
}

/** The tensor that a pattern names there. Throws RuntimeError `engine`, which no verified fold leads to. */
export function tensorAt<T>(tensors: ReadonlyMap<string, T>, pattern: string, { layer, expert }: Scope): T {
  const name = tensorNameAt(pattern, layer, expert);
  const found = tensors.get(name);
  if (!found) throw new RuntimeError("engine", `tensor ${name} is named by the fold but not planned by it`, name);
  return found;
}

/** The layers of a stack, first to last. Throws RuntimeError `engine`, which no verified fold leads to. */
export function layersOf({ kinds, order }: Stack): readonly Layer[] {
  return order.map((kind, layer) => {
    const found = kinds[kind];
    if (!found) throw new RuntimeError("engine", `layer ${layer} is of kind ${kind}, which the fold does not have`);
    return found;
  });
}

/** Which attention layers a fold has, in the order in which engines save them. */
import type { Fold, Stack, Stage } from "@s7l/format";
import type { LayerShape } from "../engine.ts";

/** An attention layer; `expert`: of a routed stage, whose layers remember the positions that came to them. */
export interface PlacedLayer extends LayerShape {
  readonly expert?: number;
}

/** Layer after layer, expert after expert in a routed stage. */
export function layerShapes({ stages }: Fold): readonly PlacedLayer[] {
  return stages.flatMap(layersOf);
}

function layersOf(stage: Stage): readonly PlacedLayer[] {
  switch (stage.kind) {
    case "layers":
      return shapesOf(stage.stack);
    case "project":
      return [];
    case "routed":
      return Array.from({ length: stage.experts }, (_, expert) =>
        shapesOf(stage.stack).map((shape) => ({ ...shape, expert })),
      ).flat();
  }
}

/** Slots of a layer after a sequence. */
export function slotsOf({ expert }: PlacedLayer, ids: readonly number[], routes: readonly number[]): number {
  return expert === undefined ? ids.length : routes.filter((route) => route === expert).length;
}

function shapesOf({ kinds, order }: Stack): readonly LayerShape[] {
  return order.flatMap((kind) => {
    const attention = kinds[kind]?.attention;
    return attention
      ? [{ kvHeads: attention.kvHeads, keySize: attention.keySize, valueSize: attention.valueSize }]
      : [];
  });
}

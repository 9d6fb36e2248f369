/** The shapes that are compared, by name. */
import { DENSE, MIXTURE, type Shape } from "../../packages/runtime/bench/shapes.ts";

export const SHAPES: Readonly<Record<string, Shape>> = { dense: DENSE, mixture: MIXTURE };

/** Throws Error for a name that is not among them. */
export function shapeOf(name: string): Shape {
  const shape = SHAPES[name];
  if (!shape) throw new Error(`there is no shape "${name}": ${Object.keys(SHAPES).join(" or ")}`);
  return shape;
}

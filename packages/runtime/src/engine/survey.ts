/** What a program needs, known before any weight is read. */
import { type Fold, type PlannedTensor, tensorNameAt, tensorPlan } from "@s7l/format";
import { buildProgram } from "./build-program.ts";
import { Heap } from "./heap.ts";
import { BASE } from "./host.ts";
import { instantiateKernels } from "./kernels.ts";
import type { Program } from "./program.ts";
import type { PlacedTensor } from "./tensors.ts";

/** The program of a fold over weights that are not there, for its sizes alone: it must not be walked. `module`: compiled kernels. */
export async function surveyProgram(module: WebAssembly.Module, fold: Fold): Promise<Program> {
  const heap = new Heap(BASE, false);
  const kernels = await instantiateKernels(module, heap.memory);
  const tensors = tensorPlan(fold).map(({ name, dtype, shape }): [string, PlacedTensor] => {
    const [rows = 0, columns = 0] = shape;
    if (dtype === "f32" || dtype === "u64")
      return [name, { kind: "vector", data: heap.allocate(8 * rows), length: rows }];
    const nowhere = { data: 0, stride: 0, plane: 0, multipliers: 0, multiplierBits: 0, exponent: 0 };
    return [name, { kind: "matrix", ...nowhere, rows, columns }];
  });
  return buildProgram(heap, kernels, fold, new Map(tensors), false);
}

/**
 * The tensors that a part of a fold names, in the order of the plan: any text in it that is a tensor's name, in one of these layers
 * and for one of so many experts, is one.
 */
export function tensorsNamed(
  part: unknown,
  plan: readonly PlannedTensor[],
  layers: readonly number[] = [0],
  experts = 1,
): readonly PlannedTensor[] {
  const names = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value === "string") {
      for (const layer of layers)
        for (let expert = 0; expert < experts; expert++) names.add(tensorNameAt(value, layer, expert));
    } else if (typeof value === "object" && value !== null) Object.values(value).forEach(visit);
  };
  visit(part);
  return plan.filter(({ name }) => names.has(name));
}

/** How many parameters a model has: all of them, those that serve one token, and those without the embeddings. */
import type { ClassicTensor } from "../init/classic-tensors.ts";
import type { Lowered } from "../lowering.ts";
import type { TensorGroup } from "./groups.ts";

export interface ComponentCount {
  /** `embedding`, `trunk`, `head`, `expert{e}`, or `unused`: what a checkpoint holds and inference does not need. */
  readonly name: string;
  readonly parameters: number;
}

/**
 * Counts of what a checkpoint of the family holds. Constants computed from a config (RoPE frequencies, ALiBi slopes) are no
 * parameters; buffers count where the authors count them.
 */
export interface ParameterCounts {
  readonly total: number;
  /** Without the experts that a token does not use. */
  readonly active: number;
  /** `active` without the embedding and without the matrix of an untied head. */
  readonly activeNonEmbedding: number;
  /** Buffers that are not in `total`. */
  readonly buffers: number;
  readonly components: readonly ComponentCount[];
}

/** Counts the parameters of a lowered config. */
export function countParameters(
  { fold }: Lowered,
  tensors: readonly ClassicTensor[],
  groups: readonly TensorGroup[],
): ParameterCounts {
  const counted = tensors.filter(({ buffer }) => !buffer);
  const total = sumOf(counted);
  const idle = groups.reduce(
    (sum, { times, tensors }) => sum + times * tensors.reduce((n, t) => n + t.numel * (t.copies - t.used), 0),
    0,
  );
  const head = fold.head.kind === "linear" ? fold.head.linear.tensor : undefined;
  const embeddings = groups
    .flatMap(({ tensors }) => tensors)
    .filter(({ name }) => name === fold.embedding || name === head)
    .reduce((sum, { numel }) => sum + numel, 0);
  return {
    total,
    active: total - idle,
    activeNonEmbedding: total - idle - embeddings,
    buffers: sumOf(tensors) - total,
    components: componentCounts(counted, groups),
  };
}

const sumOf = (tensors: readonly { readonly numel: number }[]): number =>
  tensors.reduce((n, { numel }) => n + numel, 0);

/** A stored tensor may hold several components (German experts lie in one tensor), so experts are counted as sealed. */
function componentCounts(tensors: readonly ClassicTensor[], groups: readonly TensorGroup[]): readonly ComponentCount[] {
  const counts = new Map<string, number>();
  const add = (name: string, n: number): void => void counts.set(name, (counts.get(name) ?? 0) + n);
  let ofExperts = 0;
  for (const { times, tensors } of groups) {
    for (const { numel, copies, component } of tensors) {
      if (!component.startsWith("expert")) continue;
      ofExperts += numel * copies * times;
      for (let e = 0; e < copies; e++) add(`expert${e}`, numel * times);
    }
  }
  let stored = 0;
  for (const { component = "unused", numel } of tensors) {
    if (component.startsWith("expert")) stored += numel;
    else add(component, numel);
  }
  if (stored !== ofExperts) add("unused", stored - ofExperts);
  const order = ["embedding", "trunk", "head"];
  const rank = (name: string): number =>
    order.includes(name) ? order.indexOf(name) : name === "unused" ? 1e9 : 3 + Number(name.slice(6));
  return [...counts].map(([name, parameters]) => ({ name, parameters })).sort((a, b) => rank(a.name) - rank(b.name));
}

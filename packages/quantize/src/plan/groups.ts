/**
 * The tensors of a fold as people read them: one group a kind of layer, each tensor once with the number of its copies, in
 * the order in which a token meets them. `tensorPlan` says the same as one list of every tensor.
 */
import {
  type Fold,
  type PlannedTensor,
  type Stack,
  type Stage,
  spanLayout,
  tensorNameAt,
  tensorPlan,
} from "@s7l/format";

/** A tensor of a group, or all its copies in one layer. */
export interface GroupTensor {
  /** Its name, with `{layer}` and `{expert}` where they differ. */
  readonly name: string;
  readonly dtype: PlannedTensor["dtype"];
  readonly shape: readonly number[];
  readonly component: string;
  readonly numel: number;
  /** `ceil(numel / 32) · 32`: bytes at one byte an element, aligned for AVX2 (seed 001 §8). */
  readonly padded: number;
  /** Bytes of its span in an artifact: data, second plane, scales, padding. */
  readonly bytes: number;
  /** Copies in one layer: the experts, or 1. */
  readonly copies: number;
  /** Copies that one token meets. */
  readonly used: number;
}

/** Tensors that come together `times` times. */
export interface TensorGroup {
  readonly title: string;
  /** Layers of this kind; 1 for what is no layer. */
  readonly times: number;
  readonly tensors: readonly GroupTensor[];
}

/** Groups of a fold; sums over them, with `times` and `copies`, equal sums over `tensorPlan(fold)`. */
export function tensorGroups(fold: Fold): readonly TensorGroup[] {
  const plan = new Map(tensorPlan(fold).map((tensor) => [tensor.name, tensor]));
  const constants = new Set(fold.stages.flatMap(constantsOf));
  const find = (part: unknown, { layer = 0, copies = 1, used = 1 }: Partial<Find> = {}): readonly GroupTensor[] =>
    namesIn(part).flatMap((pattern) => {
      const planned = plan.get(tensorNameAt(pattern, layer, 0));
      if (!planned || constants.has(pattern)) return [];
      return [describe(pattern, planned, pattern.includes("{expert}") ? { copies, used } : { copies: 1, used: 1 })];
    });
  const layersOf = (title: string, stack: Stack, experts?: number): readonly TensorGroup[] =>
    stack.kinds.map((kind, index) => {
      const layers = stack.order.flatMap((k, layer) => (k === index ? [layer] : []));
      const counts =
        experts !== undefined
          ? { copies: experts, used: 1 }
          : kind.ffn.kind === "experts"
            ? { copies: kind.ffn.count, used: kind.ffn.used }
            : {};
      return {
        title: `${title} ${ranges(layers)}`,
        times: layers.length,
        tensors: find(kind, { layer: layers[0] ?? 0, ...counts }),
      };
    });
  const groupsOf = (stage: Stage): readonly TensorGroup[] => {
    switch (stage.kind) {
      case "layers":
        return layersOf("layer", stage.stack);
      case "project":
        return [{ title: "projection", times: 1, tensors: find([stage.norm, stage.linear]) }];
      case "routed": {
        const counts = { copies: stage.experts, used: 1 };
        const rest = { title: "end of each expert", times: 1, tensors: find([stage.norm, stage.project], counts) };
        return [...layersOf("layer of each expert", stage.stack, stage.experts), rest];
      }
    }
  };
  const { linear, norm } = { linear: undefined, ...fold.head };
  const shared = [...constants].flatMap((name) => {
    const planned = plan.get(name);
    return planned ? [describe(name, planned, { copies: 1, used: 1 })] : [];
  });
  return [
    { title: "embedding", times: 1, tensors: find(fold.embedding) },
    ...fold.stages.flatMap(groupsOf),
    { title: "head", times: 1, tensors: find([norm, linear]) },
    { title: "constants", times: 1, tensors: shared },
  ].filter(({ tensors }) => tensors.length > 0);
}

interface Find {
  readonly layer: number;
  readonly copies: number;
  readonly used: number;
}

function describe(name: string, planned: PlannedTensor, counts: Pick<GroupTensor, "copies" | "used">): GroupTensor {
  const { dtype, shape, component } = planned;
  const numel = shape.reduce((n, size) => n * size, 1);
  return {
    name,
    dtype,
    shape,
    component,
    numel,
    padded: Math.ceil(numel / 32) * 32,
    bytes: spanLayout(planned).size,
    ...counts,
  };
}

/** Every string in a part of a fold, in its order: among them, the names of its tensors. */
function namesIn(part: unknown): readonly string[] {
  if (typeof part === "string") return [part];
  if (typeof part !== "object" || part === null) return [];
  return Object.values(part).flatMap(namesIn);
}

/** Names of what is computed when a model is sealed: frequencies and slopes. */
function constantsOf(stage: Stage): readonly string[] {
  if (stage.kind === "project") return [];
  return stage.stack.kinds.flatMap(({ attention: { position } }) =>
    position.kind === "rope" ? [position.frequencies] : position.kind === "alibi" ? [position.slopes] : [],
  );
}

/** `0-2, 4, 6-7`. */
export function ranges(indices: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < indices.length; ) {
    const start = i;
    while (indices[i + 1] === (indices[i] ?? 0) + 1) i++;
    parts.push(start === i ? `${indices[i]}` : `${indices[start]}-${indices[i]}`);
    i++;
  }
  return parts.join(", ");
}

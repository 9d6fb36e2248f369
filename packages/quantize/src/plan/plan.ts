/**
 * What a model is before it exists: parameters, bytes, layout, cache, tiles. Everything follows from the config through its
 * fold; no weights are needed.
 */
import { classicTensors } from "../init/classic-tensors.ts";
import type { Lowered } from "../lowering.ts";
import { type CacheSize, cacheSize, contextsOf } from "./cache.ts";
import { type GroupTensor, type TensorGroup, tensorGroups } from "./groups.ts";
import { countParameters, type ParameterCounts } from "./parameters.ts";
import { type TileFit, tileFit } from "./tiles.ts";
import type { Work } from "./training.ts";

/** All figures in parameters and bytes, exact. */
export interface Plan {
  readonly family: string;
  readonly context: number;
  readonly parameters: ParameterCounts;
  readonly bytes: {
    readonly fp32: number;
    readonly bf16: number;
    /** One byte a parameter. */
    readonly int8: number;
    /** The same with each sealed tensor padded to 32 bytes (seed 001 §8). */
    readonly padded: number;
    /** Tensor data of the artifact: int8 with its scales, routers in two planes, vectors in f32, constants, padding. */
    readonly sealed: number;
  };
  readonly groups: readonly TensorGroup[];
  /** What one expert is, over all layers, where there are experts. */
  readonly expert?: {
    readonly count: number;
    readonly parameters: number;
    /** Its bytes in an artifact: what proving it alone reads. */
    readonly bytes: number;
    /** Bytes of an artifact's data without any expert. */
    readonly others: number;
  };
  readonly cache: readonly CacheSize[];
  readonly tiles: TileFit;
  /** Parameters that one token is multiplied with: N of 6 · N · D. An embedding that is no head is only looked up. */
  readonly work: Work;
  /** What the family's file has to tell. */
  readonly notes: readonly string[];
}

/** Plans a lowered config. */
export function planModel(lowered: Lowered): Plan {
  const { fold, family, notes = [] } = lowered;
  const groups = tensorGroups(fold);
  const parameters = countParameters(lowered, classicTensors(lowered), groups);
  const { total, activeNonEmbedding } = parameters;
  const experts = parameters.components.filter(({ name }) => name.startsWith("expert"));
  const [expert] = experts;
  const sealed = sumOf(groups, ({ bytes, copies }) => bytes * copies);
  const headWidth = fold.head.kind === "tied" ? fold.width : headInputs(groups, fold.head.linear.tensor);
  return {
    family,
    context: fold.context,
    parameters,
    bytes: {
      fp32: 4 * total,
      bf16: 2 * total,
      int8: total,
      padded: sumOf(groups.filter(isWeight), ({ padded, copies }) => padded * copies),
      sealed,
    },
    groups,
    ...(expert && {
      expert: {
        count: experts.length,
        parameters: expert.parameters,
        bytes: sumOf(groups, (tensor) => (isExpert(tensor) ? tensor.bytes : 0)),
        others: sumOf(groups, (tensor) => (isExpert(tensor) ? 0 : tensor.bytes * tensor.copies)),
      },
    }),
    cache: contextsOf(fold).map((context) => cacheSize(fold, context)),
    tiles: tileFit(groups),
    work: { trained: activeNonEmbedding + fold.vocab * headWidth },
    notes,
  };
}

const isWeight = ({ title }: TensorGroup): boolean => title !== "constants";
const isExpert = ({ component }: GroupTensor): boolean => component.startsWith("expert");

function sumOf(groups: readonly TensorGroup[], of: (tensor: GroupTensor) => number): number {
  return groups.reduce((sum, { times, tensors }) => sum + times * tensors.reduce((n, tensor) => n + of(tensor), 0), 0);
}

function headInputs(groups: readonly TensorGroup[], name: string): number {
  return groups.flatMap(({ tensors }) => tensors).find((tensor) => tensor.name === name)?.shape[1] ?? 0;
}

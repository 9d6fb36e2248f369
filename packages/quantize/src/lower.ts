/** From a config to a fold, and from a fold to the places in a checkpoint where its tensors lie. */
import { FormatError, foldSchema, type PlannedTensor, tensorPlan } from "@s7l/format";
import { FAMILIES } from "./architectures/index.ts";
import type { Checkpoint } from "./checkpoint/checkpoint.ts";
import { floatOf } from "./checkpoint/read.ts";
import type { StoredTensor } from "./checkpoint/safetensors.ts";
import { elementsOf, type View, whole } from "./checkpoint/view.ts";
import { type Config, lookUp, refuseConfig, refuseIf } from "./config.ts";
import { QuantizeError } from "./errors.ts";
import type { Lowered, Place, Rules, Source } from "./lowering.ts";
import { refuseUnsayable } from "./unsayable.ts";

/** A planned tensor and where it comes from. */
export interface BoundTensor {
  readonly tensor: PlannedTensor;
  readonly source: Source;
}

/** A lowered checkpoint: every tensor of its fold has a source, and every stored tensor a use. */
export interface LoweredCheckpoint extends Lowered {
  /** In sealed order. */
  readonly tensors: readonly BoundTensor[];
  /** A head that is stored though the config ties it to the embedding: no part of the model where it is the same, and another model where not. */
  readonly tiedHead: StoredTensor | undefined;
}

/** Lowers a config by the family that its `model_type` names. Throws QuantizeError `config` or `unsupported`. */
export function lowerConfig(config: Config): Lowered {
  const type = lookUp(config, "model_type");
  if (type === undefined) refuseConfig(config, "lacks the key model_type, which says what the model is");
  const family = FAMILIES.find(({ modelType }) => modelType === type);
  if (!family) {
    const known = FAMILIES.map(({ modelType }) => modelType).join(", ");
    const message = `${config.place} has model_type ${JSON.stringify(type)}; supported: ${known}`;
    throw new QuantizeError("unsupported", message, `${config.place}: model_type`);
  }
  refuseIf(
    lookUp(config, "quantization_config") !== undefined,
    config,
    "has a quantization_config: its weights are quantized already; give the checkpoint in F32, F16 or BF16",
  );
  refuseUnsayable(config);
  const lowered = { family: family.modelType, ...family.lower(config) };
  planOf(config, lowered);
  return lowered;
}

/** Lowers a checkpoint: its config, then every tensor. Throws QuantizeError `tensor` with the name of the first that is wrong. */
export function lowerCheckpoint(checkpoint: Checkpoint): LoweredCheckpoint {
  const lowered = lowerConfig(checkpoint.config);
  const quantized = [...checkpoint.tensors.values()].find(({ name }) => QUANTIZED.test(name));
  if (quantized) refuseQuantized(quantized);
  const rule = ruleFinder(lowered.rules);
  const fused = ruleFinder(lowered.fused ?? {});
  const used = new Set<string>();
  const tensors = planOf(checkpoint.config, lowered).map((tensor): BoundTensor => {
    const other = fused(tensor.name);
    const source =
      other && inputsOf(other).every((view) => checkpoint.tensors.has(view.tensor))
        ? other
        : (rule(tensor.name) ?? whole(tensor.name, ...tensor.shape));
    for (const view of inputsOf(source)) {
      assertStored(view, tensor, checkpoint);
      used.add(view.tensor);
    }
    return { tensor, source };
  });
  for (const stored of checkpoint.tensors.values()) {
    if (used.has(stored.name) || lowered.ignores(stored.name)) continue;
    throw new QuantizeError(
      "tensor",
      `tensor ${stored.name} in ${stored.file} is no part of a ${lowered.family} model with this config; the two do not belong together`,
      stored.name,
    );
  }
  const tiedHead = lowered.fold.head.kind === "tied" ? checkpoint.tensors.get(HEAD) : undefined;
  return { ...lowered, tensors, tiedHead };
}

/** What families with a head of their own call it. */
const HEAD = "lm_head.weight";

/** Companions of weights that were quantized by others: FP8, MXFP4, GPTQ, AWQ. */
const QUANTIZED = /(_scale_inv|_blocks|_scales|\.weight_scale|\.qweight|\.qzeros)$/;

function refuseQuantized({ name, file }: StoredTensor): never {
  const message = `tensor ${name} in ${file} belongs to weights that are quantized already; give the checkpoint in F32, F16 or BF16`;
  throw new QuantizeError("unsupported", message, name);
}

/** The plan of a fold, after the schema's limits. */
function planOf(config: Config, { fold }: Lowered): readonly PlannedTensor[] {
  try {
    return tensorPlan(foldSchema.parse(fold, "fold"));
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    const message = `${config.place} describes a model that a fold cannot hold: ${cause.message}`;
    throw new QuantizeError("config", message, config.place, { cause });
  }
}

const inputsOf = (source: Source): readonly View[] => (source.kind === "view" ? [source] : source.inputs);

/** Finds the source that rules give to a resolved name; names with the same text around their numbers share a bucket. */
export function ruleFinder(rules: Rules): (name: string) => Source | undefined {
  const buckets = new Map<string, { readonly pattern: RegExp; readonly rule: (place: Place) => Source }[]>();
  const bucketOf = (name: string): string => name.replace(/\d+/g, "#");
  for (const [pattern, rule] of Object.entries(rules)) {
    const escaped = pattern.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
    const source = escaped.replace("{layer}", "(?<layer>\\d+)").replace("{expert}", "(?<expert>\\d+)");
    const key = bucketOf(pattern.replace(/\{(layer|expert)\}/g, "0"));
    const bucket = buckets.get(key) ?? [];
    bucket.push({ pattern: new RegExp(`^${source}$`), rule });
    buckets.set(key, bucket);
  }
  return (name) => {
    for (const { pattern, rule } of buckets.get(bucketOf(name)) ?? []) {
      const match = pattern.exec(name);
      if (match) return rule({ layer: Number(match.groups?.layer ?? 0), expert: Number(match.groups?.expert ?? 0) });
    }
    return undefined;
  };
}

function assertStored(view: View, tensor: PlannedTensor, { tensors, config }: Checkpoint): void {
  const stored = tensors.get(view.tensor);
  if (!stored) {
    const wanted = view.tensor === tensor.name ? "" : `, the source of ${tensor.name},`;
    throw new QuantizeError(
      "tensor",
      `tensor ${view.tensor} [${view.shape.join(", ")}]${wanted} is missing from the checkpoint`,
      view.tensor,
    );
  }
  if (stored.shape.length !== view.shape.length || stored.shape.some((size, i) => size !== view.shape[i])) {
    const message = `tensor ${stored.name} in ${stored.file} has shape [${stored.shape.join(", ")}]; ${config.place} implies [${view.shape.join(", ")}]`;
    throw new QuantizeError("tensor", message, stored.name);
  }
  floatOf(stored);
  const elements = tensor.shape.reduce((n, size) => n * size, 1);
  const rows = tensor.shape.length > 1 && view.axes.at(-1)?.size !== tensor.shape[1];
  if (tensor.dtype !== "u64" && (elements !== elementsOf(view) || rows))
    throw new QuantizeError(
      "tensor",
      `tensor ${tensor.name} does not have the size of its source ${view.tensor}`,
      tensor.name,
    );
}

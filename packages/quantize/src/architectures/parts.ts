/** The vocabulary that family files share: names of tensors to parts of a fold. */
import {
  FOLD_NAME,
  type Fold,
  type GatedFfn,
  type Layer,
  type Linear,
  MAX_CONTEXT,
  type Norm,
  type Stack,
} from "@s7l/format";
import { pick, slice, whole } from "../checkpoint/view.ts";
import { type Config, choice, count, flag, isNull, layerCount, lookUp, real, refuseConfig, share } from "../config.ts";
import { f32Bits } from "../fixed-point.ts";
import type { Rules } from "../lowering.ts";

/** `prefix.weight`, and `prefix.bias` where there is one. */
export const linear = (prefix: string, bias = false): Linear => ({
  tensor: `${prefix}.weight`,
  ...(bias ? { bias: `${prefix}.bias` } : {}),
});

/** RMSNorm with the gain `prefix.weight`. */
export const rmsNorm = (prefix: string, eps: number): Norm => ({
  kind: "rms",
  eps: f32Bits(eps),
  gain: `${prefix}.weight`,
});

/** LayerNorm with `prefix.weight` and `prefix.bias`. */
export const layerNorm = (prefix: string, eps: number): Norm => ({
  kind: "layer",
  eps: f32Bits(eps),
  gain: `${prefix}.weight`,
  bias: `${prefix}.bias`,
});

/** Layers by index, each kind stored once. */
export function stackOf(layers: number, layerAt: (index: number) => Layer): Stack {
  const kinds = new Map<string, { readonly index: number; readonly layer: Layer }>();
  const order = Array.from({ length: layers }, (_, i) => {
    const layer = layerAt(i);
    const key = JSON.stringify(layer);
    const kind = kinds.get(key) ?? { index: kinds.size, layer };
    kinds.set(key, kind);
    return kind.index;
  });
  return { kinds: [...kinds.values()].map(({ layer }) => layer), order };
}

/** Positions that a config allows, cut to what the format does. */
export const contextOf = (config: Config, key: string | readonly string[], or?: number): number =>
  Math.min(MAX_CONTEXT, count(config, key, { max: Number.MAX_SAFE_INTEGER, ...(or === undefined ? {} : { or }) }));

/** A gated FFN of Llama's names. */
export const gatedFfn = (
  prefix: string,
  width: number,
  activation: GatedFfn["activation"],
  bias = false,
): GatedFfn => ({
  kind: "gated",
  activation,
  width,
  gate: linear(`${prefix}.gate_proj`, bias),
  up: linear(`${prefix}.up_proj`, bias),
  down: linear(`${prefix}.down_proj`, bias),
});

const ACTIVATIONS = {
  silu: "silu",
  swish: "silu",
  gelu: "geluErf",
  gelu_new: "geluTanh",
  gelu_pytorch_tanh: "geluTanh",
  relu: "relu",
} as const;

/** What a config's gated FFNs put the gate through. */
export const activationOf = (config: Config): GatedFfn["activation"] =>
  choice<GatedFfn["activation"]>(config, "hidden_act", ACTIVATIONS, "silu");

/** Attention sizes that every config of the Hugging Face families has. */
export interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly size: number;
}

/**
 * Heads, grouped keys and values, and the head size. A null means as many as heads, and hidden_size / heads; so does an absent
 * key where the family's own code has no other default.
 */
export function headsOf(
  config: Config,
  width: number,
  absent: { readonly kvHeads?: number; readonly size?: number } = {},
): Heads {
  const heads = count(config, "num_attention_heads");
  const orAbsent = (key: string, value: number | undefined): number | undefined =>
    isNull(config, key) ? undefined : value;
  const kvHeads = count(config, "num_key_value_heads", {
    or: orAbsent("num_key_value_heads", absent.kvHeads) ?? heads,
  });
  if (heads % kvHeads !== 0)
    refuseConfig(config, `has ${heads} heads, not a multiple of its ${kvHeads} key-value heads`);
  const size =
    lookUp(config, "head_dim") === undefined
      ? (orAbsent("head_dim", absent.size) ?? share(config, width, heads, "head size"))
      : count(config, "head_dim");
  return { heads, kvHeads, size };
}

/** What the Hugging Face decoders have around their layers. */
export interface Decoder {
  readonly width: number;
  readonly layers: number;
  readonly eps: number;
  /** The fold around a stack. */
  readonly fold: (stack: Stack) => Fold;
  /** Tensors that such checkpoints may carry without need: old RoPE buffers, and a head that is tied. */
  readonly ignores: (name: string) => boolean;
}

/** Reads the frame of a Hugging Face decoder. */
export function decoderOf(
  config: Config,
  { eps, context }: { readonly eps: number; readonly context: number },
): Decoder {
  const tied = flag(config, "tie_word_embeddings", false);
  const width = count(config, "hidden_size");
  const normEps = real(config, "rms_norm_eps", { or: eps });
  const norm = rmsNorm("model.norm", normEps);
  return {
    width,
    layers: layerCount(config, "num_hidden_layers"),
    eps: normEps,
    fold: (stack) => ({
      fold: FOLD_NAME,
      version: 1,
      vocab: count(config, "vocab_size"),
      context: contextOf(config, "max_position_embeddings", context),
      width,
      embedding: "model.embed_tokens.weight",
      stages: [{ kind: "layers", stack }],
      head: tied ? { kind: "tied", norm } : { kind: "linear", norm, linear: linear("lm_head") },
    }),
    ignores: (name) => name.endsWith(".rotary_emb.inv_freq") || (tied && name === "lm_head.weight"),
  };
}

/** The two norms of a Hugging Face layer. */
export const layerNorms = (prefix: string, eps: number): Pick<Required<Layer>, "attentionNorm" | "ffnNorm"> => ({
  attentionNorm: rmsNorm(`${prefix}.input_layernorm`, eps),
  ffnNorm: rmsNorm(`${prefix}.post_attention_layernorm`, eps),
});

/** Names of one expert's three matrices. */
export interface ExpertNames {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

/**
 * Rules for experts stored fused, as transformers 5 may write them: `gate_up_proj` [E, 2 width, hidden] with the gate's rows
 * first, and `down_proj` [E, hidden, width].
 */
export function fusedExperts(
  names: ExpertNames,
  experts: number,
  width: number,
  hidden: number,
  prefix = "model.layers.{layer}.mlp.experts",
): Rules {
  const at = (layer: number, part: string): string => `${prefix.replace("{layer}", String(layer))}.${part}`;
  const gateUp = (layer: number, expert: number) =>
    pick(whole(at(layer, "gate_up_proj"), experts, 2 * width, hidden), expert);
  return {
    [names.gate]: ({ layer, expert }) => slice(gateUp(layer, expert), 0, 0, width),
    [names.up]: ({ layer, expert }) => slice(gateUp(layer, expert), 0, width, width),
    [names.down]: ({ layer, expert }) => pick(whole(at(layer, "down_proj"), experts, hidden, width), expert),
  };
}

/** Classic expert names under a prefix that ends in `.experts.{expert}`. */
export const expertNames = (prefix: string): ExpertNames => ({
  gate: `${prefix}.gate_proj.weight`,
  up: `${prefix}.up_proj.weight`,
  down: `${prefix}.down_proj.weight`,
});

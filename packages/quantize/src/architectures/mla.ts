/**
 * DeepSeek's latent attention and mixture, of which V2 and V3 differ in the router only. Stored `kv_a_proj_with_mqa` holds the
 * latent's rows, then the rotated key's; `kv_b_proj` holds for each head its key rows, then its value rows. Each is
 * sealed as two matrices.
 */
import type { Attention, ExpertsFfn, Layer, Norm } from "@s7l/format";
import { slice, split, whole } from "../checkpoint/view.ts";
import { type Config, count, flag, isNull, real, refuseConfig, refuseIf } from "../config.ts";
import { f32Bits } from "../fixed-point.ts";
import type { Lowered, Rules } from "../lowering.ts";
import {
  activationOf,
  decoderOf,
  expertNames,
  fusedExperts,
  gatedFfn,
  layerNorms,
  linear,
  rmsNorm,
  stackOf,
} from "./parts.ts";
import { ropeOf, softmaxScale } from "./rope.ts";

const LAYER = "model.layers.{layer}";
const ATTENTION = `${LAYER}.self_attn`;
const EXPERT = `${LAYER}.mlp.experts.{expert}`;
/** The latent norms take the class's default eps, whatever rms_norm_eps says. */
const LATENT_EPS = 1e-6;

/** How a version of DeepSeek chooses its experts. */
export type DeepseekRouter = Omit<ExpertsFfn["router"], "linear">;

/** What differs between the versions of DeepSeek. */
export interface DeepseekVersion {
  readonly router: DeepseekRouter;
  /** Whether the dims of a key turn in adjacent pairs, else in halves. */
  readonly interleaved: boolean;
  /** n_shared_experts where the config lacks the key; a null means none. */
  readonly shared: number;
  /** first_k_dense_replace where the config lacks the key. */
  readonly dense: number;
}

/** Lowers a DeepSeek config. */
export function lowerDeepseek(config: Config, version: DeepseekVersion): Omit<Lowered, "family"> {
  refuseIf(
    count(config, "moe_layer_freq", { or: 1 }) !== 1,
    config,
    "has a moe_layer_freq other than 1, which transformers does not run either",
  );
  refuseIf(flag(config, "mlp_bias", false), config, "has mlp_bias, which no published DeepSeek has");
  const decoder = decoderOf(config, { eps: 1e-6, context: 2048 });
  const { attention, rules } = latentAttention(config, decoder.width, version.interleaved);
  const experts = count(config, ["n_routed_experts", "num_local_experts"]);
  const width = count(config, "moe_intermediate_size");
  const shared = count(config, "n_shared_experts", {
    or: isNull(config, "n_shared_experts") ? 0 : version.shared,
    min: 0,
  });
  const firstSparse = count(config, "first_k_dense_replace", { or: version.dense, min: 0 });
  const activation = activationOf(config);
  const sparse: ExpertsFfn = {
    kind: "experts",
    count: experts,
    used: count(config, "num_experts_per_tok"),
    router: { linear: linear(`${LAYER}.mlp.gate`), ...version.router },
    expert: gatedFfn(EXPERT, width, activation),
    ...(shared > 0 ? { shared: { ffn: gatedFfn(`${LAYER}.mlp.shared_experts`, shared * width, activation) } } : {}),
  };
  const dense = () => gatedFfn(`${LAYER}.mlp`, count(config, "intermediate_size"), activation);
  const layerAt = (index: number): Layer => ({
    ...layerNorms(LAYER, decoder.eps),
    attention,
    ffn: index < firstSparse ? dense() : sparse,
  });
  return {
    fold: decoder.fold(stackOf(decoder.layers, layerAt)),
    rules,
    fused: fusedExperts(expertNames(EXPERT), experts, width, decoder.width),
    ignores: (name) => decoder.ignores(name) || isBeyond(name, decoder.layers),
  };
}

/** Layers past the last are for predicting several tokens at once (MTP), which decoding does not use. */
function isBeyond(name: string, layers: number): boolean {
  const layer = /^model\.layers\.(\d+)\./.exec(name)?.[1];
  return layer !== undefined && Number(layer) >= layers;
}

function latentAttention(
  config: Config,
  width: number,
  interleaved: boolean,
): { readonly attention: Attention; readonly rules: Rules } {
  const heads = count(config, "num_attention_heads");
  const nope = count(config, "qk_nope_head_dim");
  const rope = count(config, "qk_rope_head_dim");
  const valueSize = count(config, "v_head_dim");
  const kvRank = count(config, "kv_lora_rank");
  const bias = flag(config, "attention_bias", false);
  // A null means queries without a latent; an absent key is the class's default.
  const rank = isNull(config, "q_lora_rank") ? undefined : count(config, "q_lora_rank", { or: 1536 });
  const norm = (name: string): Norm => rmsNorm(`${ATTENTION}.${name}`, LATENT_EPS);
  const position = ropeOf(config, {
    pairs: interleaved ? "interleaved" : "half",
    dims: rope,
    offset: nope,
    theta: 10000,
  });
  const stored = (layer: number, name: string): string => `model.layers.${layer}.self_attn.${name}`;
  const down = (layer: number) => whole(stored(layer, "kv_a_proj_with_mqa.weight"), kvRank + rope, width);
  const downBias = (layer: number) => whole(stored(layer, "kv_a_proj_with_mqa.bias"), kvRank + rope);
  const up = (layer: number) =>
    split(whole(stored(layer, "kv_b_proj.weight"), heads * (nope + valueSize), kvRank), nope + valueSize);
  return {
    attention: {
      heads,
      kvHeads: heads,
      keySize: nope + rope,
      valueSize,
      scale: softmaxScale(nope + rope, position.scale),
      project: {
        kind: "mla",
        nope,
        rope,
        kvRank,
        ...(rank === undefined
          ? {}
          : { qDown: { rank, linear: linear(`${ATTENTION}.q_a_proj`, bias), norm: norm("q_a_layernorm") } }),
        qUp: linear(`${ATTENTION}.${rank === undefined ? "q_proj" : "q_b_proj"}`),
        kvDown: linear(`${ATTENTION}.kv_down_proj`, bias),
        kvNorm: norm("kv_a_layernorm"),
        kRope: linear(`${ATTENTION}.k_rope_proj`, bias),
        kUp: linear(`${ATTENTION}.k_up_proj`),
        vUp: linear(`${ATTENTION}.v_up_proj`),
        o: linear(`${ATTENTION}.o_proj`, bias),
      },
      position: position.position,
    },
    rules: {
      ...position.rules,
      [`${ATTENTION}.kv_down_proj.weight`]: ({ layer }) => slice(down(layer), 0, 0, kvRank),
      [`${ATTENTION}.k_rope_proj.weight`]: ({ layer }) => slice(down(layer), 0, kvRank, rope),
      [`${ATTENTION}.kv_down_proj.bias`]: ({ layer }) => slice(downBias(layer), 0, 0, kvRank),
      [`${ATTENTION}.k_rope_proj.bias`]: ({ layer }) => slice(downBias(layer), 0, kvRank, rope),
      [`${ATTENTION}.k_up_proj.weight`]: ({ layer }) => slice(up(layer), 1, 0, nope),
      [`${ATTENTION}.v_up_proj.weight`]: ({ layer }) => slice(up(layer), 1, nope, valueSize),
    },
  };
}

/** Group-limited choice by the sum of each group's `top` best; absent where every group takes part. `or` is the family's default. */
export function expertGroups(
  config: Config,
  top: number,
  or: { readonly groups: number; readonly used?: number },
): Pick<DeepseekRouter, "groups"> {
  const groups = count(config, "n_group", { or: or.groups });
  const used = count(config, "topk_group", { or: or.used ?? groups });
  const experts = count(config, ["n_routed_experts", "num_local_experts"]);
  if (experts % groups !== 0 || used > groups)
    refuseConfig(config, `has ${experts} experts in ${groups} groups, of which ${used} take part`);
  return used === groups ? {} : { groups: { count: groups, used, top } };
}

/** routed_scaling_factor as f32 bits. */
export const routedScale = (config: Config, or: number): number =>
  f32Bits(real(config, "routed_scaling_factor", { or }));

/** The attention that most Hugging Face families share: q, k, v, o under `self_attn`, grouped heads, RoPE in halves. */
import type { Attention } from "@s7l/format";
import { type Config, real, refuseIf } from "../config.ts";
import type { Rules } from "../lowering.ts";
import { type Heads, linear, rmsNorm } from "./parts.ts";
import { ropeOf, softmaxScale } from "./rope.ts";

export interface AttentionOptions {
  /** rope_theta where the config has none. */
  readonly theta: number;
  readonly bias?: { readonly qkv: boolean; readonly o: boolean };
  /** eps of an RMSNorm of each head's query and key. */
  readonly headNormEps?: number;
  /** Part of each head that turns; default the whole. */
  readonly rotaryDims?: number;
}

const PREFIX = "model.layers.{layer}.self_attn";

/** The attention of a layer, without window, with the rules of its frequencies. */
export function selfAttention(
  config: Config,
  { heads, kvHeads, size }: Heads,
  options: AttentionOptions,
): { readonly attention: Attention; readonly rules: Rules } {
  refuseIf(
    options.rotaryDims === undefined && real(config, "partial_rotary_factor", { or: 1 }) !== 1,
    config,
    "has a partial_rotary_factor, which this family has not",
  );
  const { theta, bias = { qkv: false, o: false }, headNormEps, rotaryDims = size } = options;
  const { position, rules } = ropeOf(config, { pairs: "half", dims: rotaryDims, theta });
  const headNorms =
    headNormEps === undefined
      ? {}
      : { qNorm: rmsNorm(`${PREFIX}.q_norm`, headNormEps), kNorm: rmsNorm(`${PREFIX}.k_norm`, headNormEps) };
  return {
    attention: {
      heads,
      kvHeads,
      keySize: size,
      valueSize: size,
      scale: softmaxScale(size),
      project: {
        kind: "qkv",
        q: linear(`${PREFIX}.q_proj`, bias.qkv),
        k: linear(`${PREFIX}.k_proj`, bias.qkv),
        v: linear(`${PREFIX}.v_proj`, bias.qkv),
        o: linear(`${PREFIX}.o_proj`, bias.o),
        ...headNorms,
      },
      position,
    },
    rules,
  };
}

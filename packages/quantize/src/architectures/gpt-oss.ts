/**
 * GPT-OSS: sinks, windows on every other layer, YaRN without truncation, experts with biases and a clamped gate. Stored experts are
 * [E, in, out], gate and up in alternating columns.
 */
import type { ExpertsFfn, Layer, Linear } from "@s7l/format";
import { pick, slice, transpose, type View, whole } from "../checkpoint/view.ts";
import { type Config, count, flag, real, refuseIf } from "../config.ts";
import { f32Bits } from "../fixed-point.ts";
import type { Family, Rules } from "../lowering.ts";
import { selfAttention } from "./attention.ts";
import { decoderOf, headsOf, layerNorms, linear, stackOf } from "./parts.ts";
import { ropeParameters } from "./rope.ts";
import { layerTypes } from "./sliding-window.ts";

const LAYER = "model.layers.{layer}";
const EXPERT = `${LAYER}.mlp.experts.{expert}`;

/** The positions of a config that says nothing of them. */
const DEFAULT_ROPE = {
  rope_type: "yarn",
  factor: 32,
  beta_fast: 32,
  beta_slow: 1,
  truncate: false,
  original_max_position_embeddings: 4096,
};

export const gptOss: Family = {
  modelType: "gpt_oss",
  lower: (config) => {
    const decoder = decoderOf(config, { eps: 1e-5, context: 131072 });
    const bias = flag(config, "attention_bias", true);
    const heads = headsOf(config, decoder.width, { kvHeads: 8, size: 64 });
    const { attention, rules } = selfAttention(withRope(config), heads, {
      theta: 150000,
      bias: { qkv: bias, o: bias },
    });
    const windowOf =
      layerTypes(config, decoder.layers) ??
      ((i: number) => (i % 2 ? {} : { window: count(config, "sliding_window", { or: 128 }) }));
    const experts = count(config, ["num_local_experts", "num_experts"]);
    const width = count(config, "intermediate_size");
    const ffn: ExpertsFfn = {
      kind: "experts",
      count: experts,
      used: count(config, ["num_experts_per_tok", "experts_per_token"]),
      router: {
        linear: linear(`${LAYER}.mlp.router`, true),
        score: "softmax",
        weights: "normalised",
        scale: f32Bits(1),
      },
      expert: {
        kind: "clamped",
        alpha: f32Bits(real(config, "swiglu_alpha", { or: 1.702 })),
        limit: f32Bits(real(config, "swiglu_limit", { or: 7 })),
        width,
        gate: expertLinear("gate_proj"),
        up: expertLinear("up_proj"),
        down: expertLinear("down_proj"),
      },
    };
    const layerAt = (index: number): Layer => ({
      ...layerNorms(LAYER, decoder.eps),
      attention: { ...attention, ...windowOf(index), sinks: `${LAYER}.self_attn.sinks` },
      ffn,
    });
    return {
      fold: decoder.fold(stackOf(decoder.layers, layerAt)),
      rules: { ...rules, ...expertRules(experts, width, decoder.width) },
      ignores: decoder.ignores,
    };
  },
};

/** An absent key means the class's default. A null means that in transformers 5, but no scaling at all in 4. */
function withRope(config: Config): Config {
  if (ropeParameters(config).length > 0) return config;
  refuseIf(
    ["rope_scaling", "rope_parameters"].some((key) => Object.hasOwn(config.values, key)),
    config,
    'has no rope_scaling but says so, which is YaRN in transformers 5 and no scaling in 4; leave the key out for the first, or give {"rope_type": "default"} for the second',
  );
  return { ...config, values: { ...config.values, rope_parameters: DEFAULT_ROPE } };
}

const expertLinear = (name: string): Linear => linear(`${EXPERT}.${name}`, true);

function expertRules(experts: number, width: number, hidden: number): Rules {
  const stored = (layer: number, name: string, ...shape: readonly number[]): View =>
    whole(`model.layers.${layer}.mlp.experts.${name}`, experts, ...shape);
  const gateUp = (layer: number, expert: number): View =>
    transpose(pick(stored(layer, "gate_up_proj", hidden, 2 * width), expert));
  const gateUpBias = (layer: number, expert: number): View =>
    pick(stored(layer, "gate_up_proj_bias", 2 * width), expert);
  return {
    [`${EXPERT}.gate_proj.weight`]: ({ layer, expert }) => slice(gateUp(layer, expert), 0, 0, width, 2),
    [`${EXPERT}.gate_proj.bias`]: ({ layer, expert }) => slice(gateUpBias(layer, expert), 0, 0, width, 2),
    [`${EXPERT}.up_proj.weight`]: ({ layer, expert }) => slice(gateUp(layer, expert), 0, 1, width, 2),
    [`${EXPERT}.up_proj.bias`]: ({ layer, expert }) => slice(gateUpBias(layer, expert), 0, 1, width, 2),
    [`${EXPERT}.down_proj.weight`]: ({ layer, expert }) =>
      transpose(pick(stored(layer, "down_proj", width, hidden), expert)),
    [`${EXPERT}.down_proj.bias`]: ({ layer, expert }) => pick(stored(layer, "down_proj_bias", hidden), expert),
  };
}

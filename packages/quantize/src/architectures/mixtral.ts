/** Mixtral: Llama's attention, and in every layer experts chosen by a softmax router whose weights are normalised. */
import type { ExpertsFfn, GatedFfn, Layer } from "@s7l/format";
import { whole } from "../checkpoint/view.ts";
import { count, lookUp } from "../config.ts";
import { f32Bits } from "../fixed-point.ts";
import type { Family, Rules } from "../lowering.ts";
import { selfAttention } from "./attention.ts";
import {
  activationOf,
  decoderOf,
  type ExpertNames,
  fusedExperts,
  headsOf,
  layerNorms,
  linear,
  stackOf,
} from "./parts.ts";

const BLOCK = "model.layers.{layer}.block_sparse_moe";
const expert = `${BLOCK}.experts.{expert}`;
const NAMES: ExpertNames = { gate: `${expert}.w1.weight`, up: `${expert}.w3.weight`, down: `${expert}.w2.weight` };

export const mixtral: Family = {
  modelType: "mixtral",
  lower: (config) => {
    const decoder = decoderOf(config, { eps: 1e-5, context: 4096 * 32 });
    const { attention, rules } = selfAttention(config, headsOf(config, decoder.width, { kvHeads: 8 }), { theta: 1e6 });
    const experts = count(config, ["num_local_experts", "num_experts"]);
    const width = count(config, "intermediate_size");
    const layer: Layer = {
      ...layerNorms("model.layers.{layer}", decoder.eps),
      attention: {
        ...attention,
        ...(lookUp(config, "sliding_window") === undefined ? {} : { window: count(config, "sliding_window") }),
      },
      ffn: mixtralExperts(experts, count(config, "num_experts_per_tok"), width, activationOf(config)),
    };
    return {
      fold: decoder.fold(stackOf(decoder.layers, () => layer)),
      rules,
      fused: mixtralFused(experts, width, decoder.width),
      ignores: decoder.ignores,
    };
  },
};

/** The sparse block of Mixtral, under its names. */
export const mixtralExperts = (
  count: number,
  used: number,
  width: number,
  activation: GatedFfn["activation"],
): ExpertsFfn => ({
  kind: "experts",
  count,
  used,
  router: { linear: linear(`${BLOCK}.gate`), score: "softmax", weights: "normalised", scale: f32Bits(1) },
  expert: {
    kind: "gated",
    activation,
    width,
    gate: { tensor: NAMES.gate },
    up: { tensor: NAMES.up },
    down: { tensor: NAMES.down },
  },
});

/** Transformers 5 may write the block fused, under `mlp`. */
export const mixtralFused = (experts: number, width: number, hidden: number): Rules => ({
  ...fusedExperts(NAMES, experts, width, hidden),
  [`${BLOCK}.gate.weight`]: ({ layer }) => whole(`model.layers.${layer}.mlp.gate.weight`, experts, hidden),
});

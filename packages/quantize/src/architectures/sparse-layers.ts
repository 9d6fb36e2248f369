/** What the Qwen MoE families share: which layers are sparse, and the names of a sparse block. */
import type { ExpertsFfn } from "@s7l/format";
import { type Config, count, flag, list, refuseConfig } from "../config.ts";
import { f32Bits } from "../fixed-point.ts";
import type { Rules } from "../lowering.ts";
import { activationOf, expertNames, fusedExperts, gatedFfn, linear } from "./parts.ts";

const MLP = "model.layers.{layer}.mlp";
const EXPERT = `${MLP}.experts.{expert}`;

/** Whether layer i has experts: none of `mlp_only_layers`, and every `decoder_sparse_step`-th. */
export function sparseLayers(config: Config): (layer: number) => boolean {
  const dense = new Set(list(config, "mlp_only_layers") ?? []);
  for (const layer of dense)
    if (!Number.isSafeInteger(layer)) refuseConfig(config, "has mlp_only_layers that are not layer numbers");
  const step = count(config, "decoder_sparse_step", { or: 1 });
  const experts = count(config, ["num_experts", "num_local_experts"], { min: 0 });
  return (layer) => experts > 0 && !dense.has(layer) && (layer + 1) % step === 0;
}

export interface SparseFfn {
  readonly ffn: ExpertsFfn;
  readonly fused: Rules;
}

/** The sparse block of a Qwen MoE layer: softmax over all, `norm_topk_prob` says whether the chosen weights are normalised. */
export function qwenExperts(config: Config, hidden: number): SparseFfn {
  const experts = Math.max(1, count(config, ["num_experts", "num_local_experts"], { min: 0 }));
  const width = count(config, "moe_intermediate_size");
  return {
    ffn: {
      kind: "experts",
      count: experts,
      used: count(config, "num_experts_per_tok"),
      router: {
        linear: linear(`${MLP}.gate`),
        score: "softmax",
        weights: flag(config, "norm_topk_prob", false) ? "normalised" : "raw",
        scale: f32Bits(1),
      },
      expert: gatedFfn(EXPERT, width, activationOf(config)),
    },
    fused: fusedExperts(expertNames(EXPERT), experts, width, hidden),
  };
}

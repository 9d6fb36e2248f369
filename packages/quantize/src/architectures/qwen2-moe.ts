/** Qwen2-MoE: biases on q, k and v; a shared expert behind a sigmoid gate beside the chosen ones. */
import type { ExpertsFfn, Layer } from "@s7l/format";
import { count, flagOrNone } from "../config.ts";
import type { Family } from "../lowering.ts";
import { selfAttention } from "./attention.ts";
import { activationOf, decoderOf, gatedFfn, headsOf, layerNorms, linear, stackOf } from "./parts.ts";
import { listedWindows } from "./sliding-window.ts";
import { qwenExperts, sparseLayers } from "./sparse-layers.ts";

const LAYER = "model.layers.{layer}";

export const qwen2Moe: Family = {
  modelType: "qwen2_moe",
  lower: (config) => {
    const decoder = decoderOf(config, { eps: 1e-6, context: 32768 });
    const bias = { qkv: flagOrNone(config, "qkv_bias"), o: false };
    const { attention, rules } = selfAttention(config, headsOf(config, decoder.width, { kvHeads: 16 }), {
      theta: 10000,
      bias,
    });
    const isSparse = sparseLayers(config);
    const windowOf = listedWindows(config, decoder.layers);
    const sparse = qwenExperts(config, decoder.width);
    const shared = gatedFfn(
      `${LAYER}.mlp.shared_expert`,
      count(config, "shared_expert_intermediate_size"),
      activationOf(config),
    );
    const experts: ExpertsFfn = {
      ...sparse.ffn,
      shared: { ffn: shared, gate: linear(`${LAYER}.mlp.shared_expert_gate`) },
    };
    const dense = () => gatedFfn(`${LAYER}.mlp`, count(config, "intermediate_size"), activationOf(config));
    const layerAt = (index: number): Layer => ({
      ...layerNorms(LAYER, decoder.eps),
      attention: { ...attention, ...windowOf(index) },
      ffn: isSparse(index) ? experts : dense(),
    });
    const fold = decoder.fold(stackOf(decoder.layers, layerAt));
    return { fold, rules, fused: sparse.fused, ignores: decoder.ignores };
  },
};

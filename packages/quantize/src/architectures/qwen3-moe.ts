/** Qwen3-MoE: Qwen2-MoE without shared expert and with a norm of each head's query and key. */
import type { Layer } from "@s7l/format";
import { count, flag } from "../config.ts";
import type { Family } from "../lowering.ts";
import { selfAttention } from "./attention.ts";
import { activationOf, decoderOf, gatedFfn, headsOf, layerNorms, stackOf } from "./parts.ts";
import { qwenExperts, sparseLayers } from "./sparse-layers.ts";

const LAYER = "model.layers.{layer}";

export const qwen3Moe: Family = {
  modelType: "qwen3_moe",
  lower: (config) => {
    const decoder = decoderOf(config, { eps: 1e-6, context: 32768 });
    const bias = flag(config, "attention_bias", false);
    const { attention, rules } = selfAttention(config, headsOf(config, decoder.width, { kvHeads: 4 }), {
      theta: 10000,
      bias: { qkv: bias, o: bias },
      headNormEps: decoder.eps,
    });
    const window = flag(config, "use_sliding_window", false) ? { window: count(config, "sliding_window") } : {};
    const isSparse = sparseLayers(config);
    const sparse = qwenExperts(config, decoder.width);
    const dense = () => gatedFfn(`${LAYER}.mlp`, count(config, "intermediate_size"), activationOf(config));
    const layerAt = (index: number): Layer => ({
      ...layerNorms(LAYER, decoder.eps),
      attention: { ...attention, ...window },
      ffn: isSparse(index) ? sparse.ffn : dense(),
    });
    const fold = decoder.fold(stackOf(decoder.layers, layerAt));
    return { fold, rules, fused: sparse.fused, ignores: decoder.ignores };
  },
};

/** Llama, dense: grouped heads, RoPE in halves, SwiGLU. */
import type { Layer } from "@s7l/format";
import { count, flag } from "../config.ts";
import type { Family } from "../lowering.ts";
import { selfAttention } from "./attention.ts";
import { activationOf, decoderOf, gatedFfn, headsOf, layerNorms, stackOf } from "./parts.ts";

export const llama: Family = {
  modelType: "llama",
  lower: (config) => {
    const decoder = decoderOf(config, { eps: 1e-6, context: 2048 });
    const bias = flag(config, "attention_bias", false);
    const { attention, rules } = selfAttention(config, headsOf(config, decoder.width), {
      theta: 10000,
      bias: { qkv: bias, o: bias },
    });
    const layer: Layer = {
      ...layerNorms("model.layers.{layer}", decoder.eps),
      attention,
      ffn: gatedFfn(
        "model.layers.{layer}.mlp",
        count(config, "intermediate_size"),
        activationOf(config),
        flag(config, "mlp_bias", false),
      ),
    };
    return { fold: decoder.fold(stackOf(decoder.layers, () => layer)), rules, ignores: decoder.ignores };
  },
};

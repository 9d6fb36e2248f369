/**
 * Oracle850B (seed 000), whose weights and code were never published. Decided here: Mixtral with partial rotary positions (the
 * first rotary_pct of each head, in halves), experts of expert_hidden_mult · d_model, and no dense FFN beside them (`d_ff` is not
 * used). Tensor names are Mixtral's. `model_type` is `oracle_moe`; keys may be Hugging Face's, or the seed's own (`d_model`,
 * `rotary_pct` ...), at the top or in its tables `dense`, `moe` and `moe.router`.
 */
import type { Layer } from "@s7l/format";
import { type Config, count, lookUp, real, refuseConfig, table } from "../config.ts";
import type { JsonObject } from "../json.ts";
import type { Family } from "../lowering.ts";
import { selfAttention } from "./attention.ts";
import { mixtralExperts, mixtralFused } from "./mixtral.ts";
import { activationOf, decoderOf, headsOf, layerNorms, stackOf } from "./parts.ts";

/** Hugging Face's name of a key, and the seed's. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  hidden_size: ["d_model"],
  num_hidden_layers: ["n_layers"],
  num_attention_heads: ["n_heads"],
  num_local_experts: ["num_experts", "n_experts", "experts"],
  num_experts_per_tok: ["experts_per_token", "top_k", "k"],
  max_position_embeddings: ["max_seq_len", "context_length"],
  rms_norm_eps: ["rmsnorm_eps"],
  partial_rotary_factor: ["rotary_pct"],
  hidden_act: ["activation"],
};

export const oracle: Family = {
  modelType: "oracle_moe",
  lower: (original) => {
    const config = inHuggingFaceTerms(original);
    const decoder = decoderOf(config, { eps: 1e-5, context: 16384 });
    const heads = headsOf(config, decoder.width);
    const rotaryDims = heads.size * real(config, "partial_rotary_factor", { or: 0.5 });
    if (!Number.isInteger(rotaryDims) || rotaryDims > heads.size)
      refuseConfig(config, `rotates ${rotaryDims} of a head's ${heads.size} dims; rotary_pct must give a whole number`);
    const { attention, rules } = selfAttention(config, heads, { theta: 10000, rotaryDims });
    const experts = count(config, "num_local_experts");
    const width = expertWidth(config, decoder.width);
    const layer: Layer = {
      ...layerNorms("model.layers.{layer}", decoder.eps),
      attention,
      ffn: mixtralExperts(experts, count(config, "num_experts_per_tok", { or: 2 }), width, activationOf(config)),
    };
    return {
      fold: decoder.fold(stackOf(decoder.layers, () => layer)),
      rules,
      fused: mixtralFused(experts, width, decoder.width),
      ignores: decoder.ignores,
      notes: [
        "Seed 000 publishes neither weights nor code; this is Mixtral with rotary_pct, its experts alone in each layer.",
      ],
    };
  },
};

/** moe_intermediate_size, or the seed's multiple of d_model. */
function expertWidth(config: Config, hidden: number): number {
  if (lookUp(config, "moe_intermediate_size") !== undefined) return count(config, "moe_intermediate_size");
  const width = hidden * real(config, "expert_hidden_mult", { or: 4 });
  return Number.isInteger(width)
    ? width
    : refuseConfig(config, `gives experts a width of ${width}; expert_hidden_mult must give a whole number`);
}

function inHuggingFaceTerms(config: Config): Config {
  const moe = lookUp(config, "moe") === undefined ? undefined : table(config, "moe");
  const router = moe && lookUp(moe, "router") !== undefined ? table(moe, "router") : undefined;
  const dense = lookUp(config, "dense") === undefined ? undefined : table(config, "dense");
  const flat: JsonObject = { ...router?.values, ...moe?.values, ...dense?.values, ...config.values };
  const renamed = Object.entries(ALIASES).map(([name, others]) => [
    name,
    lookUp({ ...config, values: flat }, [name, ...others]) ?? null,
  ]);
  const named: JsonObject = { ...flat, ...Object.fromEntries(renamed) };
  return { place: config.place, values: named };
}

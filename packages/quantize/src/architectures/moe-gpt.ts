/**
 * German MoE GPT v8 (seed 003): LayerNorm with bias, interleaved RoPE, a fused q|k|v, every n-th layer (the first included) with
 * experts stored [E, in, out], a tied head.
 */
import type { ExpertFfn, ExpertsFfn, Layer } from "@s7l/format";
import { FOLD_NAME } from "@s7l/format";
import { pick, slice, transpose, type View, whole } from "../checkpoint/view.ts";
import { choice, count, flag, layerCount, real, refuseIf, share } from "../config.ts";
import { f32Bits } from "../fixed-point.ts";
import type { Family, Rules } from "../lowering.ts";
import { contextOf, layerNorm, linear, stackOf } from "./parts.ts";
import { ropeOf, softmaxScale } from "./rope.ts";

const LAYER = "transformer.h.{layer}";
const EXPERT = `${LAYER}.moe.experts.{expert}`;

export const moeGpt: Family = {
  modelType: "moe_gpt",
  lower: (config) => {
    const width = count(config, ["n_embd", "hidden_size"]);
    const heads = count(config, ["n_head", "num_attention_heads"]);
    const headSize = share(config, width, heads, "head size");
    const layers = layerCount(config, ["n_layer", "num_hidden_layers"]);
    const experts = count(config, ["n_experts", "num_local_experts"]);
    const frequency = count(config, "moe_layer_frequency", { or: 2 });
    const bias = flag(config, "bias", false);
    const eps = real(config, "layer_norm_epsilon", { or: 1e-5 });
    const activation = choice(
      config,
      "activation_function",
      { gelu: "geluErf", relu: "relu", swiglu: "swiglu" } as const,
      "gelu",
    );
    refuseIf(
      activation === "swiglu" && frequency !== 1,
      config,
      "has dense layers with swiglu, which the original does not run either",
    );
    refuseIf(
      !flag(config, "tie_word_embeddings", true),
      config,
      "has tie_word_embeddings false; this family's head is always tied",
    );
    const position = ropeOf(config, { pairs: "interleaved", dims: headSize, theta: 10000 });

    const plain = (fc1: string, fc2: string): ExpertFfn =>
      activation === "swiglu"
        ? {
            kind: "gated",
            activation: "silu",
            width: 4 * width,
            gate: linear(`${EXPERT}.w_gate`),
            up: linear(fc1, bias),
            down: linear(fc2, bias),
          }
        : { kind: "plain", activation, width: 4 * width, fc1: linear(fc1, bias), fc2: linear(fc2, bias) };
    const sparse: ExpertsFfn = {
      kind: "experts",
      count: experts,
      used: count(config, ["n_experts_active", "num_experts_per_tok"]),
      router: {
        linear: linear(`${LAYER}.moe.router.w_gate`),
        score: "softmax",
        weights: "normalised",
        scale: f32Bits(1),
      },
      expert: plain(`${EXPERT}.w_fc`, `${EXPERT}.w_proj`),
    };
    const layerAt = (index: number): Layer => ({
      attentionNorm: layerNorm(`${LAYER}.ln_1`, eps),
      attention: {
        heads,
        kvHeads: heads,
        keySize: headSize,
        valueSize: headSize,
        scale: softmaxScale(headSize),
        project: {
          kind: "qkv",
          q: linear(`${LAYER}.attn.q_proj`, bias),
          k: linear(`${LAYER}.attn.k_proj`, bias),
          v: linear(`${LAYER}.attn.v_proj`, bias),
          o: linear(`${LAYER}.attn.c_proj`, bias),
        },
        position: position.position,
      },
      ffnNorm: layerNorm(`${LAYER}.ln_2`, eps),
      ffn: index % frequency === 0 ? sparse : plain(`${LAYER}.mlp.c_fc`, `${LAYER}.mlp.c_proj`),
    });
    return {
      fold: {
        fold: FOLD_NAME,
        version: 1,
        vocab: count(config, "vocab_size"),
        context: contextOf(config, ["n_positions", "max_position_embeddings"]),
        width,
        embedding: "transformer.wte.weight",
        stages: [{ kind: "layers", stack: stackOf(layers, layerAt) }],
        head: { kind: "tied", norm: layerNorm("transformer.ln_f", eps) },
      },
      rules: { ...position.rules, ...fusedQkv(width), ...stackedExperts(experts, width) },
      // The noise of the router is for training.
      unused: flag(config, "use_noisy_gating", true)
        ? [
            {
              name: `${LAYER}.moe.router.w_noise.weight`,
              shape: [experts, width],
              layers: Array.from({ length: layers }, (_, i) => i).filter((i) => i % frequency === 0),
            },
          ]
        : [],
      ignores: (name) => name === "lm_head.weight" || name.endsWith(".moe.router.w_noise.weight"),
      notes: [
        "The original drops tokens beyond an expert's capacity, which depends on the whole sequence. No token is dropped here: a position's logits depend on the tokens up to it alone.",
      ],
    };
  },
};

/** Rows q | k | v of `c_attn`. */
function fusedQkv(width: number): Rules {
  return Object.fromEntries(
    ["q", "k", "v"].flatMap(
      (part, i) =>
        [
          [
            `${LAYER}.attn.${part}_proj.weight`,
            ({ layer }) =>
              slice(whole(`transformer.h.${layer}.attn.c_attn.weight`, 3 * width, width), 0, i * width, width),
          ],
          [
            `${LAYER}.attn.${part}_proj.bias`,
            ({ layer }) => slice(whole(`transformer.h.${layer}.attn.c_attn.bias`, 3 * width), 0, i * width, width),
          ],
        ] satisfies [string, Rules[string]][],
    ),
  );
}

/** [E, in, out], biases [E, 1, out]. */
function stackedExperts(experts: number, width: number): Rules {
  const stored = (layer: number, name: string, ...shape: readonly number[]): View =>
    whole(`transformer.h.${layer}.moe.experts.${name}`, experts, ...shape);
  const rule = (name: string, inputs: number, outputs: number): Rules => ({
    [`${EXPERT}.${name}.weight`]: ({ layer, expert }) => transpose(pick(stored(layer, name, inputs, outputs), expert)),
  });
  return {
    ...rule("w_fc", width, 4 * width),
    ...rule("w_gate", width, 4 * width),
    ...rule("w_proj", 4 * width, width),
    [`${EXPERT}.w_fc.bias`]: ({ layer, expert }) => pick(stored(layer, "fc_bias", 1, 4 * width), expert),
    [`${EXPERT}.w_proj.bias`]: ({ layer, expert }) => pick(stored(layer, "proj_bias", 1, width), expert),
  };
}

/**
 * vpMoE (seed 004), in the names of a Megatron state dict: three local layers (tensor product attention, GRAPE-M, a window) to one
 * global (grouped heads, ALiBi), softmax offsets, value residuals, squared-ReLU experts chosen by sigmoid and bias.
 */
import type { Attention, ExpertFfn, ExpertsFfn, Layer, Norm, Position, Projection } from "@s7l/format";
import { FOLD_NAME } from "@s7l/format";
import { slice, split, type View, whole } from "../checkpoint/view.ts";
import {
  type Config,
  choice,
  count,
  flag,
  layerCount,
  lookUp,
  real,
  refuseConfig,
  refuseIf,
  share,
  table,
} from "../config.ts";
import { QuantizeError } from "../errors.ts";
import {
  divide,
  exp,
  type Fixed,
  f32Bits,
  fixed,
  ln,
  multiply,
  sigmoid,
  toF32,
  toF32Bits,
  toTurns,
} from "../fixed-point.ts";
import type { Family, Lowered, Rules } from "../lowering.ts";
import { alibiRules, SLOPES } from "./alibi.ts";
import { contextOf, linear, rmsNorm, stackOf } from "./parts.ts";
import { inverseFrequencies, softmaxScale } from "./rope.ts";

const LAYER = "decoder.layers.{layer}";
const ATTENTION = `${LAYER}.self_attention`;
const FREQUENCIES = "rotary_pos_emb.frequencies";
/** Not in the config: the fork's constant. */
const EPS = 1e-5;

export const vpMoe: Family = {
  modelType: "vpmoe",
  lower: (config) => {
    if (lookUp(config, "model") === undefined)
      refuseConfig(
        config,
        "has no table `model`: it is of the later, GPT-OSS-like rewrite of vpMoE, which is another model",
      );
    const model = table(config, "model");
    const window = table(config, "attention");
    const sizes = sizesOf(model);
    choice(model, "normalization", { RMSNorm: true }, "RMSNorm");
    const biased = flag(model, "add_bias_linear", true);
    const globalEvery =
      lookUp(window, "window_attn_skip_freq") === undefined ? 0 : count(window, "window_attn_skip_freq");
    const isGlobal = (index: number): boolean => globalEvery > 0 && (index + 1) % globalEvery === 0;
    const local = localAttention(config, model, window, sizes);
    const wide = globalAttention(config, model, sizes);
    const mixes = flag(model, "value_residual", false);
    const ffns = ffnsOf(config, model, biased);
    const layerAt = (index: number): Layer => ({
      attentionNorm: rmsNorm(`${LAYER}.input_layernorm`, EPS),
      attention: {
        ...(isGlobal(index) ? wide : local),
        ...(mixes && index > 0 ? { valueResidual: `${ATTENTION}.value_residual` } : {}),
      },
      ffnNorm: rmsNorm(`${LAYER}.pre_mlp_layernorm`, EPS),
      ffn: index === 0 && ffns.dense ? ffns.dense : ffns.sparse,
    });
    const norm = rmsNorm("decoder.final_layernorm", EPS);
    return {
      fold: {
        fold: FOLD_NAME,
        version: 1,
        vocab: count(table(config, "tokenizer"), "vocab_size"),
        context: contextOf(window, "max_sequence_length"),
        width: sizes.width,
        embedding: "embedding.word_embeddings.weight",
        stages: [{ kind: "layers", stack: stackOf(layerCount(model, "num_layers"), layerAt) }],
        head: flag(model, "untied_embeddings", true)
          ? { kind: "linear", norm, linear: linear("output_layer") }
          : { kind: "tied", norm },
      },
      rules: { ...frequencyRules(config, sizes.headSize), ...alibiRules(sizes.heads), ...attentionRules(sizes) },
      // The fork's counter of parameters leaves out what is a buffer in it.
      buffers: [`${LAYER}.mlp.router.expert_bias`],
      initial: { "rotary_pos_emb.log_freq": initialFrequencies(config, sizes.headSize) },
      unused: sharedBias(model, table(config, "moe"), sizes.width),
      // The fork computes this bias and drops it, so it is never trained either; and it has frequencies where every layer is global.
      ignores: (name) => name.endsWith(".mlp.shared_experts.linear_fc2.bias") || name === "rotary_pos_emb.log_freq",
    };
  },
};

interface Sizes {
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
}

function sizesOf(model: Config): Sizes {
  const width = count(model, "hidden_size");
  const heads = count(model, "num_attention_heads");
  const kvHeads = count(model, "num_query_groups", { or: heads });
  const headSize = count(model, "head_dim", { or: share(model, width, heads, "head size") });
  if (heads * headSize !== width)
    refuseConfig(model, `has ${heads} heads of ${headSize}, which are not its hidden_size ${width}`);
  share(model, heads, kvHeads, "group of heads");
  return { width, heads, kvHeads, headSize };
}

/** What local and global layers share. */
function commonAttention(
  model: Config,
  { heads, kvHeads, headSize }: Sizes,
  project: Projection,
  position: Position,
): Attention {
  return {
    heads,
    kvHeads,
    keySize: headSize,
    valueSize: headSize,
    scale: softmaxScale(headSize),
    project,
    position,
    ...(choice(model, "softmax_type", { learnable: true, vanilla: false }, "vanilla")
      ? { sinks: `${ATTENTION}.core_attention.softmax_offset` }
      : {}),
  };
}

function headNorms(model: Config): { readonly qNorm?: Norm; readonly kNorm?: Norm } {
  if (!flag(model, "qk_layernorm", false)) return {};
  return { qNorm: rmsNorm(`${ATTENTION}.q_layernorm`, EPS), kNorm: rmsNorm(`${ATTENTION}.k_layernorm`, EPS) };
}

const outputOf = (model: Config) => linear(`${ATTENTION}.linear_proj`, flag(model, "add_bias_linear", true));

function grouped(model: Config): Projection {
  const bias = flag(model, "add_qkv_bias", false);
  return {
    kind: "qkv",
    q: linear(`${ATTENTION}.q_proj`, bias),
    k: linear(`${ATTENTION}.k_proj`, bias),
    v: linear(`${ATTENTION}.v_proj`, bias),
    o: outputOf(model),
    ...headNorms(model),
  };
}

function globalAttention(config: Config, model: Config, sizes: Sizes): Attention {
  const position: Position = flag(table(config, "grape"), "grape_a", false)
    ? { kind: "alibi", slopes: SLOPES }
    : { kind: "none" };
  return commonAttention(model, sizes, grouped(model), position);
}

function localAttention(config: Config, model: Config, attention: Config, sizes: Sizes): Attention {
  choice(attention, "position_embedding_type", { grapem: true });
  refuseIf(
    !flag(table(config, "grape"), "grapem_share_across_heads", true),
    config,
    "has frequencies for each head (grapem_share_across_heads false)",
  );
  const position: Position = {
    kind: "rope",
    pairs: "half",
    offset: 0,
    dims: sizes.headSize,
    frequencies: FREQUENCIES,
    magnitude: f32Bits(1),
  };
  const tpa = lookUp(config, "tpa") === undefined ? undefined : table(config, "tpa");
  const project = tpa && flag(tpa, "use_tpa", true) ? factored(model, tpa) : grouped(model);
  const window = lookUp(attention, "window_size") === undefined ? {} : { window: count(attention, "window_size") };
  return { ...commonAttention(model, sizes, project, position), ...window };
}

function factored(model: Config, tpa: Config): Projection {
  const factor = (name: string): string => `${ATTENTION}.linear_qkv.linear_${name}.weight`;
  const biases = flag(model, "add_qkv_bias", false)
    ? { qBias: `${ATTENTION}.q_proj.bias`, kBias: `${ATTENTION}.k_proj.bias`, vBias: `${ATTENTION}.v_proj.bias` }
    : {};
  return {
    kind: "tpa",
    qRank: count(tpa, "tpa_q_rank"),
    rank: count(tpa, "tpa_rank"),
    aq: factor("a_q"),
    ak: factor("a_k"),
    av: factor("a_v"),
    bq: factor("b_q"),
    bk: factor("b_k"),
    bv: factor("b_v"),
    ...biases,
    o: outputOf(model),
    ...headNorms(model),
  };
}

/** `linear_qkv` holds for each group its query heads, then its key, then its value; the bias likewise. */
function attentionRules({ width, heads, kvHeads, headSize }: Sizes): Rules {
  const queries = (heads / kvHeads) * headSize;
  const group = queries + 2 * headSize;
  const weight = (layer: number): View =>
    split(whole(`decoder.layers.${layer}.self_attention.linear_qkv.weight`, kvHeads * group, width), group);
  const bias = (layer: number): View =>
    split(whole(`decoder.layers.${layer}.self_attention.linear_qkv.bias`, kvHeads * group), group);
  const logit = (layer: number): View => whole(`decoder.layers.${layer}.self_attention.value_residual_logit`);
  const part = (name: string, from: number, size: number): Rules => ({
    [`${ATTENTION}.${name}.weight`]: ({ layer }) => slice(weight(layer), 1, from, size),
    [`${ATTENTION}.${name}.bias`]: ({ layer }) => slice(bias(layer), 1, from, size),
  });
  return {
    ...part("q_proj", 0, queries),
    ...part("k_proj", queries, headSize),
    ...part("v_proj", queries + headSize, headSize),
    [`${ATTENTION}.value_residual`]: ({ layer }) => ({
      kind: "derived",
      from: ["sigmoid"],
      inputs: [logit(layer)],
      compute: ([values]) => Array.from(values ?? [], (value) => toF32Bits(sigmoid(fixed(value)))),
    }),
  };
}

/** exp(log_freq / grapem_log_freq_scale), the model's one learnt vector of frequencies. */
function frequencyRules(config: Config, headSize: number): Rules {
  const scale = real(table(config, "grape"), "grapem_log_freq_scale", { or: 16 });
  return {
    [FREQUENCIES]: () => ({
      kind: "derived",
      from: [`grapem_log_freq_scale=${scale}`],
      inputs: [whole("rotary_pos_emb.log_freq", headSize / 2)],
      compute: ([values]) => Array.from(values ?? [], (value) => toTurns(frequency(value, scale))),
    }),
  };
}

/** grapem_log_freq_scale · ln of the usual frequencies of base 10,000, with which the fork starts. */
function initialFrequencies(config: Config, headSize: number): readonly number[] {
  const scale = fixed(real(table(config, "grape"), "grapem_log_freq_scale", { or: 16 }));
  return inverseFrequencies(10000, headSize).map((frequency) => toF32(multiply(scale, ln(frequency))));
}

/** The output bias of the shared expert, in every sparse layer. */
function sharedBias(model: Config, moe: Config, width: number): NonNullable<Lowered["unused"]> {
  if (!flag(model, "add_bias_linear", true) || !flag(moe, "shared_expert", false)) return [];
  const first = flag(moe, "first_layer_dense", false) ? 1 : 0;
  const layers = Array.from({ length: layerCount(model, "num_layers") - first }, (_, i) => i + first);
  return [{ name: `${LAYER}.mlp.shared_experts.linear_fc2.bias`, shape: [width], layers }];
}

/** A wave of e^±32 radians a position is no position; far beyond, its exponential would not end. */
function frequency(logarithm: number, scale: number): Fixed {
  if (Math.abs(logarithm / scale) > 32)
    throw new QuantizeError(
      "value",
      `rotary_pos_emb.log_freq holds ${logarithm}, which is no frequency`,
      "rotary_pos_emb.log_freq",
    );
  return exp(divide(fixed(logarithm), fixed(scale)));
}

function ffnsOf(
  config: Config,
  model: Config,
  biased: boolean,
): { readonly dense: ExpertFfn | undefined; readonly sparse: ExpertsFfn } {
  refuseIf(
    flag(model, "gated_linear_unit", false),
    model,
    "has gated_linear_unit, which this family's published form has not",
  );
  const activation = choice(model, "activation", { squaredrelu: "relu2" } as const, "squaredrelu");
  const plain = (prefix: string, width: number, outputBias: boolean): ExpertFfn => ({
    kind: "plain",
    activation,
    width,
    fc1: linear(`${prefix}.linear_fc1`, biased),
    fc2: linear(`${prefix}.linear_fc2`, outputBias),
  });
  const width = count(model, "ffn_hidden_size");
  const moe = table(config, "moe");
  const experts = count(moe, "num_experts");
  const used = count(moe, "topk");
  const sigmoidScore = choice(moe, "router_score_function", { sigmoid: true, softmax: false }, "softmax");
  const score = sigmoidScore ? "sigmoid" : "softmax";
  refuseIf(
    !sigmoidScore && flag(moe, "router_pre_softmax", false),
    moe,
    "has router_pre_softmax, a softmax over all experts before the choice, which this family's published form has not",
  );
  const selects = flag(moe, "router_enable_expert_bias", false);
  refuseIf(selects && !sigmoidScore, moe, "has router_enable_expert_bias without sigmoid scores");
  const sparse: ExpertsFfn = {
    kind: "experts",
    count: experts,
    used,
    router: {
      linear: linear(`${LAYER}.mlp.router`, biased),
      score,
      ...(selects ? { selectionBias: `${LAYER}.mlp.router.expert_bias` } : {}),
      ...groupsOf(moe, experts, used, score),
      // A single sigmoid keeps its score; a single softmax is 1.
      weights: score === "sigmoid" && used === 1 ? "raw" : "normalised",
      scale: f32Bits(real(moe, "router_topk_scaling_factor", { or: 1 })),
    },
    expert: plain(`${LAYER}.mlp.experts.local_experts.{expert}`, width, biased),
    ...(flag(moe, "shared_expert", false)
      ? { shared: { ffn: plain(`${LAYER}.mlp.shared_experts`, count(moe, "shared_expert_size"), false) } }
      : {}),
  };
  return { dense: flag(moe, "first_layer_dense", false) ? plain(`${LAYER}.mlp`, width, biased) : undefined, sparse };
}

/** A group's worth is the sum of its topk / group_topk best: with 4 of 4, the best alone. */
function groupsOf(
  moe: Config,
  experts: number,
  used: number,
  score: "sigmoid" | "softmax",
): Pick<ExpertsFfn["router"], "groups"> {
  if (lookUp(moe, "router_num_groups") === undefined || lookUp(moe, "router_group_topk") === undefined) return {};
  const groups = count(moe, "router_num_groups");
  const chosen = count(moe, "router_group_topk");
  share(moe, experts, groups, "group of experts");
  if (chosen === groups) return {};
  const top = share(moe, used, chosen, "number of experts a group counts by");
  refuseIf(
    score === "softmax" && top > 1,
    moe,
    "sums the logits of groups, for which only sigmoid scores are supported",
  );
  return { groups: { count: groups, used: chosen, top } };
}

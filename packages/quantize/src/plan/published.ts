/**
 * Every figure that the seeds publish of a model, as they print it, and which of ours it is. Comparing is arithmetic
 * (`compare.ts`); only where a seed contradicts itself is there a sentence, which says by what.
 */
import type { Plan } from "./plan.ts";
import { A100, type Hardware, type TrainingBudget, trainingBudget, type Work } from "./training.ts";

export interface Figure {
  /** Where in the seed. */
  readonly section: string;
  readonly what: string;
  /** As printed: `~28M`, `75.5MB`, `180-220B`, `12,000`. */
  readonly published: string;
  /** The same quantity, by the shapes; undefined where a config does not determine it. */
  readonly ours: (plan: Plan) => number | undefined;
  /** What the seed's own words say against the figure. */
  readonly note?: string;
}

export interface PublishedModel {
  /** What a config of this model says under `published`. */
  readonly name: string;
  /** File of the seed by its number. */
  readonly seed: string;
  /** The family that has this model alone, whose configs need not say `published`. */
  readonly modelType?: string;
  readonly figures: readonly Figure[];
}

const component = (name: string) => (plan: Plan) => plan.parameters.components.find((c) => c.name === name)?.parameters;
const scaled = (of: (plan: Plan) => number | undefined, factor: number) => (plan: Plan) => {
  const value = of(plan);
  return value === undefined ? undefined : value * factor;
};
const total = ({ parameters }: Plan) => parameters.total;
const active = ({ parameters }: Plan) => parameters.active;

/** Parameters of the groups whose title starts so, each copy once. */
const groupParameters = (title: string) => (plan: Plan) =>
  plan.groups
    .filter((group) => group.title.startsWith(title))
    .reduce((sum, { times, tensors }) => sum + times * tensors.reduce((n, { numel }) => n + numel, 0), 0);

/** A tensor of the layout table, by the end of its name. */
const tensorOf = (title: string, suffix: string, field: "numel" | "padded") => (plan: Plan) =>
  plan.groups.find((group) => group.title.startsWith(title))?.tensors.find(({ name }) => name.endsWith(suffix))?.[
    field
  ];

/** Padded bytes of the matrices of one layer: the seed's table leaves norms out. */
const layerMatrices = (title: string) => (plan: Plan) =>
  plan.groups
    .find((group) => group.title.startsWith(title))
    ?.tensors.filter(({ shape }) => shape.length > 1)
    .reduce((sum, { padded }) => sum + padded, 0);

const trunk = groupParameters("layer 0");
const s7Expert = component("expert0");
const expertLayer = "layer of each expert";
const S7_HARDWARE = { ...A100, gpus: 8 };

/** Phase 1 of seed 001: embedding, trunk and what makes logits of it are trained together. */
const s7Phase1 = (plan: Plan): TrainingBudget =>
  trainingBudget({ trained: (trunk(plan) ?? 0) + (component("embedding")(plan) ?? 0) }, 50e9, S7_HARDWARE);

/** Phase 2: one expert behind a frozen trunk, before a frozen head. */
const s7Phase2 =
  (tokens: number) =>
  (plan: Plan): TrainingBudget => {
    const work: Work = {
      trained: s7Expert(plan) ?? 0,
      before: trunk(plan),
      after: component("embedding")(plan) ?? 0,
    };
    return trainingBudget(work, tokens, { ...A100, gpus: 4 });
  };

const EXPERT_TOKENS = [20e9, 15e9, 12e9, 12e9];
const s7Phase2Hours = (plan: Plan): number =>
  EXPERT_TOKENS.reduce((sum, tokens) => sum + s7Phase2(tokens)(plan).gpuHours, 0);
const s7Hours = (plan: Plan): number => s7Phase1(plan).gpuHours + s7Phase2Hours(plan);

/** 300,000 steps of 32 · 4 sequences of 2048. */
const GERMAN_TOKENS = 300_000 * 32 * 4 * 2048;
/** Dense BF16 of an RTX 4090 with f32 sums: 165 TFLOP/s. */
const RTX_4090: Hardware = { tflops: 165, utilisation: 0.4, gpus: 1, hourPrice: 0 };

const expertsOfRoutedLayers = ({ expert }: Plan) => expert?.count;

const ROWS: readonly (readonly [string, string, string, string])[] = [
  ["q_proj.weight", "262144", "262144", "262KB"],
  ["k_proj.weight", "262144", "262144", "262KB"],
  ["v_proj.weight", "262144", "262144", "262KB"],
  ["o_proj.weight", "262144", "262144", "262KB"],
  ["ffn.fc1.weight", "1048576", "1048576", "1024KB"],
  ["ffn.fc2.weight", "1048576", "1048576", "1024KB"],
];

const german: readonly Figure[] = [
  {
    section: "Model Specifications",
    what: "total parameters",
    published: "149.6M",
    ours: total,
    note: "belongs to 8 layers, width 512, 8 heads, 8 experts (configs/german-moe-gpt-v8-149m.json: 149,603,328); the listed 12 layers, width 768, 32 experts come to 1,061,426,688",
  },
  {
    section: "Model Specifications",
    what: "active parameters a token",
    published: "~49.9M",
    ours: active,
    note: "is 149.6M times 33.3 %, the share of the FFN experts that are used; attention and embedding are always active",
  },
  {
    section: "Model Specifications",
    what: "active share",
    published: "~33%",
    ours: ({ parameters }) => parameters.active / parameters.total,
    note: "is a share of the FFN alone",
  },
  { section: "Model Specifications", what: "experts of a MoE layer", published: "32", ours: expertsOfRoutedLayers },
  { section: "Model Specifications", what: "context", published: "2048", ours: ({ context }) => context },
  {
    section: "Pre-Training Results",
    what: "hours on one RTX 4090",
    published: "~120",
    ours: (plan) => trainingBudget(plan.work, GERMAN_TOKENS, RTX_4090).gpuHours,
    note: "300,000 steps of 128 sequences of 2048 are 78.6B tokens; ours is at 40 % of 165 TFLOP/s",
  },
];

const aboutOneBillion = (section: string, experts: string, context: string, note: string): readonly Figure[] => [
  { section, what: "total parameters", published: "~1B", ours: total, note },
  { section, what: "experts of a MoE layer", published: experts, ours: expertsOfRoutedLayers },
  { section, what: "context", published: context, ours: ({ context }) => context },
  {
    section: "Memory Requirements",
    what: "training memory, BF16 weights and gradients, f32 AdamW",
    published: "8-16GB",
    ours: ({ parameters }) => 16 * parameters.total,
    note: "ours is 2 + 2 + 12 bytes a parameter, without activations",
  },
];

export const PUBLISHED: readonly PublishedModel[] = [
  {
    name: "oracle850b",
    seed: "000",
    modelType: "oracle_moe",
    figures: [
      {
        section: "Model Specifications",
        what: "total parameters",
        published: "850B",
        ours: total,
        note: "its own 128 experts of 4 · 8192 in each of 96 layers are 9.9T; 850B needs experts about 2.7k wide, or about 8 layers with experts",
      },
      { section: "Model Specifications", what: "active parameters a token", published: "180-220B", ours: active },
      { section: "Model Specifications", what: "context", published: "16,384", ours: ({ context }) => context },
      { section: "Architecture Details", what: "experts", published: "128", ours: expertsOfRoutedLayers },
      {
        section: "Shard Information",
        what: "bytes of 128 shards of at most 2GB",
        published: "256GB",
        ours: ({ bytes }) => bytes.bf16,
        note: "128 shards of at most 2GB hold 256GB at most: neither 850B parameters in BF16 (1.7TB) nor in INT8 (850GB)",
      },
      {
        section: "Inference Memory Usage",
        what: "memory, full model",
        published: "~850GB",
        ours: ({ bytes }) => bytes.bf16,
        note: "is one byte a parameter, while the weights are stated as BF16",
      },
      {
        section: "Inference Memory Usage",
        what: "bytes a forward pass reads",
        published: "~180GB",
        ours: scaled(active, 2),
        note: "is one byte a parameter, while the weights are stated as BF16",
      },
      {
        section: "Minimum Requirements",
        what: "memory of the minimum of 16 GPUs of 80GB",
        published: "1.28TB",
        ours: ({ bytes }) => bytes.bf16,
        note: "would not hold 850B parameters in BF16 either (1.7TB)",
      },
    ],
  },
  {
    name: "s7-140m",
    seed: "001",
    modelType: "s7_llm_moe",
    figures: [
      {
        section: "title",
        what: "total parameters",
        published: "140M",
        ours: total,
        note: "contradicts §2, whose total is ~133M; the shapes give neither",
      },
      { section: "§2", what: "embedding", published: "18.9M", ours: component("embedding") },
      { section: "§2", what: "embedding, FP32", published: "75.5MB", ours: scaled(component("embedding"), 4) },
      {
        section: "§2",
        what: "trunk layers (×6)",
        published: "~2M",
        ours: trunk,
        note: "six layers of width 768 and FFN 3072 (§8 counts a layer of 512 at 3.1M) are 42.5M",
      },
      { section: "§2", what: "trunk layers, FP32", published: "~8MB", ours: scaled(trunk, 4) },
      {
        section: "§2",
        what: "one expert",
        published: "~28M",
        ours: s7Expert,
        note: "§8's own table gives 8 layers of 3,145,728: 25.2M",
      },
      { section: "§2", what: "one expert, FP32", published: "~112MB", ours: scaled(s7Expert, 4) },
      {
        section: "§2",
        what: "router",
        published: "<0.1M",
        ours: () => 0,
        note: "it is a table of words, no parameters",
      },
      {
        section: "§2",
        what: "total",
        published: "~133M",
        ours: total,
        note: "its own rows sum to 18.9 + 2 + 4 · 28 = 132.9M, with the trunk 40M short",
      },
      { section: "§2", what: "total, FP32", published: "~532MB", ours: ({ bytes }) => bytes.fp32 },
      { section: "§2", what: "INT8 inference", published: "~133MB", ours: ({ bytes }) => bytes.int8 },
      {
        section: "§3",
        what: "trunk and embedding, FP32",
        published: "~83MB",
        ours: scaled((plan) => (trunk(plan) ?? 0) + (component("embedding")(plan) ?? 0), 4),
        note: "follows from §2's trunk of ~2M",
      },
      {
        section: "§3",
        what: "GPU-hours of phase 1 (50B tokens)",
        published: "12,000",
        ours: (plan) => s7Phase1(plan).gpuHours,
        note: "6 · N · D at 40 % of an A100; the seed's hours would be a utilisation of about 0.1 %",
      },
      ...[0, 1, 2, 3].map(
        (e): Figure => ({
          section: "§4",
          what: `GPU-hours of expert ${e} (${(EXPERT_TOKENS[e] ?? 0) / 1e9}B tokens)`,
          published: ["~600", "~450", "~360", "~360"][e] ?? "",
          ours: (plan) => s7Phase2(EXPERT_TOKENS[e] ?? 0)(plan).gpuHours,
        }),
      ),
      { section: "§4", what: "GPU-hours of phase 2", published: "~1,770", ours: s7Phase2Hours },
      {
        section: "§4",
        what: "wall-clock hours of phase 2",
        published: "150",
        ours: (plan) => s7Phase2(20e9)(plan).wallHours,
        note: "600 GPU-hours on 4 GPUs, as the seed says",
      },
      {
        section: "§6",
        what: "total GPU-hours, with 200 of calibration",
        published: "~14,000",
        ours: (plan) => s7Hours(plan) + 200,
      },
      {
        section: "§6",
        what: "wall-clock days",
        published: "~21",
        ours: (plan) => (s7Phase1(plan).wallHours + s7Phase2(20e9)(plan).wallHours) / 24,
        note: "12,000 GPU-hours on 8 GPUs are 1500 hours, 62 days, before phase 2",
      },
      {
        section: "§6",
        what: "cost at $2.50 a GPU-hour",
        published: "35,000",
        ours: (plan) => (s7Hours(plan) + 200) * 2.5,
      },
      ...ROWS.flatMap(([tensor, numel, padded, bytes]): readonly Figure[] => [
        { section: "§8", what: `${tensor}, numel`, published: numel, ours: tensorOf(expertLayer, tensor, "numel") },
        { section: "§8", what: `${tensor}, padded`, published: padded, ours: tensorOf(expertLayer, tensor, "padded") },
        { section: "§8", what: `${tensor}, bytes`, published: bytes, ours: tensorOf(expertLayer, tensor, "padded") },
      ]),
      {
        section: "§8",
        what: "one expert layer",
        published: "3136KB",
        ours: layerMatrices(expertLayer),
        note: "the rows above it sum to 3,145,728: 3072 KiB, 3146 kB",
      },
      { section: "§8", what: "one expert layer", published: "≈3.1MB", ours: layerMatrices(expertLayer) },
      {
        section: "§8",
        what: "8 layers (1 expert)",
        published: "24.8MB",
        ours: scaled(layerMatrices(expertLayer), 8),
        note: "8 times 3.1 after rounding; 8 · 3,145,728 is 25.2MB",
      },
      {
        section: "§8",
        what: "4 experts",
        published: "99.2MB",
        ours: scaled(layerMatrices(expertLayer), 32),
        note: "4 times 24.8",
      },
      {
        section: "§8",
        what: "trunk layers (6)",
        published: "≈24MB",
        ours: scaled(layerMatrices("layer 0"), 6),
        note: "contradicts §2's ~2M; six layers of 768 / 3072 are 42.5MB",
      },
      { section: "§8", what: "embedding", published: "≈18MB", ours: component("embedding") },
      {
        section: "§8",
        what: "grand total (INT8, padded)",
        published: "~141MB",
        ours: ({ bytes }) => bytes.padded,
        note: "contradicts §2's ~133MB",
      },
      { section: "§8", what: "bytes of a tile", published: "1KB", ours: ({ tiles }) => tiles.tileBytes },
      { section: "§8", what: "tiles in L1", published: "32", ours: ({ tiles }) => tiles.tilesInL1 },
    ],
  },
  {
    name: "mixtral-1b",
    seed: "002",
    figures: aboutOneBillion("Mixtral-1B-MoE", "8", "4096", "the seed's own script builds 1,516,930,048 (FFN 3584)"),
  },
  {
    name: "qwen2-moe-1b",
    seed: "002",
    figures: aboutOneBillion("Qwen2-MoE-1B", "16", "8192", "the seed's own script builds 1,322,353,664"),
  },
  {
    name: "deepseek-v3-1b",
    seed: "002",
    figures: aboutOneBillion(
      "DeepSeek-V3-1B-MoE",
      "32",
      "8192",
      "the seed's own script builds a Qwen2-MoE of 34 experts, 2,178,548,736 parameters, with none of DeepSeek-V3's mechanisms",
    ),
  },
  { name: "german-moe-gpt-v8", seed: "003", modelType: "moe_gpt", figures: german },
  { name: "german-moe-gpt-v8-149m", seed: "003", figures: german },
  {
    name: "vpmoe",
    seed: "004",
    modelType: "vpmoe",
    figures: [
      {
        section: "Parameter Budget",
        what: "total parameters",
        published: "~6.02B",
        ours: total,
      },
      {
        section: "Parameter Budget",
        what: "active parameters",
        published: "~780.0M",
        ours: active,
        note: "the seed's counter leaves out 92,160 biases of queries, keys and values (60 layers of 1536) and 79 value-residual logits",
      },
      {
        section: "Parameter Budget",
        what: "active parameters without embeddings",
        published: "~368.2M",
        ours: ({ parameters }) => parameters.activeNonEmbedding,
        note: "the same 92,239",
      },
      { section: "MoE Hyperparameters", what: "experts", published: "256", ours: expertsOfRoutedLayers },
    ],
  },
];

/** The published figures of a config: by its key `published` (null: none), else by its family where that has one model alone. */
export function publishedOf(values: { readonly [key: string]: unknown }): PublishedModel | undefined {
  const { published, model_type: modelType } = values;
  if (published === null) return undefined;
  return (
    PUBLISHED.find(({ name }) => name === published) ??
    PUBLISHED.find((model) => model.modelType !== undefined && model.modelType === modelType)
  );
}

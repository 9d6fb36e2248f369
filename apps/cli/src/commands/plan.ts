import {
  A100,
  compareFigures,
  lowerConfig,
  type Plan,
  PUBLISHED,
  planModel,
  publishedOf,
  readModelConfig,
  trainingBudget,
} from "@s7l/quantize";
import { configFolder } from "../configs.ts";
import { CliError, refuseUsage } from "../errors.ts";
import { parseQuantity } from "../planning/parse-quantity.ts";
import { comparisonLines, layoutLines, planLines, trainingLines } from "../planning/plan-lines.ts";
import { noteUnused } from "../planning/unused-keys.ts";
import { formatCount } from "../quantity.ts";
import { defineVerb } from "../verb.ts";

export const plan = defineVerb({
  summary: "what a model is before it exists: parameters, bytes, layout, cache, training budget",
  examples: [
    "s7l plan mixtral-1b",
    "s7l plan s7-140m --compare",
    "s7l plan ./my-model --tokens 50B --gpus 8 --gpu-hour-price 2.5 --json",
  ],
  positionals: {
    config: { description: "a config.json, an Axolotl YAML, a checkpoint's folder or a shipped config's name" },
  },
  flags: {
    compare: { type: "boolean", description: "the figures that the seed publishes of this model, beside ours" },
    tokens: { type: "text", hint: "N", description: "training tokens, such as 50B: adds the training budget" },
    gpus: { type: "integer", hint: "N", min: 1, max: 1e6, description: "GPUs that train together (8)" },
    "gpu-tflops": {
      type: "decimal",
      hint: "T",
      min: 0.001,
      max: 1e6,
      description: "dense BF16 peak of one GPU (312, an A100)",
    },
    utilisation: {
      type: "decimal",
      hint: "U",
      min: 0.0001,
      max: 1,
      description: "share of the peak that is achieved (0.4)",
    },
    "gpu-hour-price": {
      type: "decimal",
      hint: "P",
      min: 0,
      max: 1e6,
      description: "price of one GPU for one hour (2.5)",
    },
  },
  async run({ args, report }) {
    const { config, unused } = await readModelConfig(args.config, configFolder());
    noteUnused(report, unused, args.config);
    const planned = planModel(lowerConfig(config));
    const published = args.compare ? publishedOf(config.values) : undefined;
    if (args.compare && !published) throw noFigures(args.config);
    const comparisons = published && compareFigures(planned, published);
    const hardware = {
      gpus: args.gpus ?? A100.gpus,
      tflops: args["gpu-tflops"] ?? A100.tflops,
      utilisation: args.utilisation ?? A100.utilisation,
      hourPrice: args["gpu-hour-price"] ?? A100.hourPrice,
    };
    const asked = [args.gpus, args["gpu-tflops"], args.utilisation, args["gpu-hour-price"]];
    if (args.tokens === undefined && asked.some((value) => value !== undefined))
      refuseUsage("a training budget needs --tokens N, such as --tokens 50B");
    const training =
      args.tokens === undefined
        ? undefined
        : trainingBudget(planned.work, parseQuantity("tokens", args.tokens), hardware);
    const { ink } = report;
    report.finish({
      json: {
        ...planJson(planned),
        unusedKeys: unused,
        ...(training ? { training: { ...hardware, ...training } } : {}),
        ...(published && comparisons ? { compare: { seed: published.seed, figures: comparisons } } : {}),
      },
      brief: formatCount(planned.parameters.total),
      lines: [
        `${ink.bold(args.config)}: ${planned.family}, context ${formatCount(planned.context)}`,
        ...planLines(planned, ink),
        ...layoutLines(planned.groups, ink),
        ...(training ? trainingLines(training, hardware, ink) : []),
        ...(published && comparisons ? comparisonLines(published, comparisons, ink) : []),
      ],
    });
    return 0;
  },
});

function planJson({ family, context, parameters, bytes, expert, groups, cache, tiles, notes }: Plan): object {
  const { total, active, activeNonEmbedding, buffers, components } = parameters;
  return {
    total,
    active,
    activeNonEmbedding,
    bytes,
    family,
    context,
    buffers,
    components: Object.fromEntries(components.map(({ name, parameters: count }) => [name, count])),
    ...(expert ? { expert } : {}),
    layout: groups,
    cache,
    tiles,
    notes,
  };
}

function noFigures(config: string): CliError {
  const names = PUBLISHED.map(({ name }) => name).join(", ");
  return new CliError("refused", `no seed publishes figures of ${config}; there are figures of ${names}`, config);
}

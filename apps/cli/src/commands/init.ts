import { type FloatType, freshCheckpoint, readModelConfig, type Sharding, writeCheckpoint } from "@s7l/quantize";
import { configFolder } from "../configs.ts";
import { refuseUsage } from "../errors.ts";
import { parseQuantity } from "../planning/parse-quantity.ts";
import { noteUnused } from "../planning/unused-keys.ts";
import { formatBytes, formatCount, formatSeconds } from "../quantity.ts";
import { defineVerb } from "../verb.ts";

const TYPES: Readonly<Record<string, FloatType>> = { bf16: "BF16", f16: "F16", f32: "F32" };

export const init = defineVerb({
  summary: "a checkpoint with random weights, from a config: same seed, same bytes, on every machine",
  examples: [
    "s7l init s7-140m --out checkpoints/ --seed 1",
    "s7l init init-mixtral-1b-moe.yml --out mixtral-1b --seed 42 --shards 4",
  ],
  positionals: {
    config: { description: "a config.json, an Axolotl YAML, a folder with a config, or a shipped config's name" },
  },
  flags: {
    out: {
      type: "text",
      short: "o",
      hint: "DIR",
      required: true,
      description: "the checkpoint; the folder must not hold anything yet",
    },
    seed: {
      type: "integer",
      hint: "N",
      min: 0,
      description: "what decides the weights (default: the YAML's, else 0)",
    },
    dtype: {
      type: "text",
      options: ["bf16", "f16", "f32"],
      description: "of the tensors; default: the config's torch_dtype, else bf16",
    },
    shards: {
      type: "integer",
      hint: "N",
      min: 1,
      max: 4096,
      description: "cuts the tensors into N files of about equal size",
    },
    "max-shard-size": {
      type: "text",
      hint: "SIZE",
      description: "cuts them into files of at most so much, such as 2GB",
    },
  },
  async run({ args, report, progress, signal }) {
    const { config, seed: given, unused } = await readModelConfig(args.config, configFolder());
    noteUnused(report, unused, args.config);
    const seed = args.seed ?? given ?? 0;
    const sharding = shardingOf(args);
    const type = args.dtype === undefined ? undefined : TYPES[args.dtype];
    const started = performance.now();
    const fresh = freshCheckpoint(config, { seed, ...(type ? { type } : {}), ...(sharding ? { sharding } : {}) });
    await writeCheckpoint(fresh, args.out, { signal, onProgress: (done, total) => progress.show("init", done, total) });
    progress.clear();
    report.finish({
      json: {
        out: args.out,
        seed,
        tensors: fresh.tensors,
        elements: fresh.elements,
        size: fresh.size,
        dtype: fresh.type,
        files: fresh.files.map(({ path }) => path),
        unusedKeys: unused,
      },
      brief: args.out,
      lines: [
        `${args.out}: ${formatCount(fresh.elements)} random numbers in ${formatCount(fresh.tensors)} tensors, ${fresh.type}, of seed ${seed}, ${formatBytes(fresh.size)}, in ${formatSeconds(performance.now() - started)}`,
      ],
    });
    return 0;
  },
});

function shardingOf({
  shards,
  "max-shard-size": size,
}: {
  readonly shards: number | undefined;
  readonly "max-shard-size": string | undefined;
}): Sharding | undefined {
  if (shards !== undefined && size !== undefined) refuseUsage("--shards and --max-shard-size exclude each other");
  if (shards !== undefined) return { count: shards };
  return size === undefined ? undefined : { bytes: parseQuantity("max-shard-size", size) };
}

import { join } from "node:path";
import { toHex, type WeightSource } from "@s7l/format";
import { openWeights } from "@s7l/format/file";
import { parseShard, type Shard } from "@s7l/pack";
import { sealShard } from "@s7l/pack/file";
import { goldenPrompts } from "@s7l/runtime";
import { refuseUsage } from "../errors.ts";
import type { ExitCode } from "../exit.ts";
import { formatBytes, formatSeconds } from "../quantity.ts";
import { mergeArtifact, sealArtifact } from "../sealing.ts";
import { needSmallFile } from "../small-file.ts";
import { SAVE_EVERY } from "../threads.ts";
import { type Context, defineVerb } from "../verb.ts";
import { withVocabulary } from "../vocabulary.ts";

/** A vocabulary or a tokenizer beyond this is none. */
const MAX_VOCABULARY = 1 << 28;

export const pack = defineVerb({
  summary: "seals a folder of INT8 weights into an artifact, and prints its root (also: seal)",
  examples: [
    "s7l pack --weights-dir model/weights/ --out model/moe.s7l",
    "s7l pack --weights-dir model/weights/ --out model/moe.s7l --shard 3/8",
    "s7l pack --weights-dir model/weights/ --out model/moe.s7l --merge",
  ],
  positionals: {},
  flags: {
    "weights-dir": { type: "text", hint: "DIR", required: true, description: "what `s7l quantize` wrote" },
    vocab: {
      type: "text",
      hint: "FILE",
      description: "vocab.json; must agree with the tokenizer of the checkpoint, where there is one",
    },
    tokenizer: {
      type: "text",
      hint: "DIR",
      description: "folder of a tokenizer.json to seal instead of the checkpoint's",
    },
    out: {
      type: "text",
      short: "o",
      hint: "FILE",
      required: true,
      description: "the artifact; it appears when it is whole",
    },
    shard: {
      type: "text",
      hint: "K/N",
      description:
        "seals the K-th of N parts into OUT.parts; /N takes K from the array job (Slurm, Kubernetes, AWS Batch)",
    },
    "save-every": SAVE_EVERY,
    merge: { type: "boolean", description: "joins the parts in OUT.parts" },
  },
  async run({ args, report, progress, signal }) {
    if (args.vocab !== undefined && args.tokenizer !== undefined)
      refuseUsage("--vocab and --tokenizer exclude each other");
    if (args.shard !== undefined && args.merge) refuseUsage("--shard and --merge exclude each other");
    if (args["save-every"] !== undefined && args.merge)
      refuseUsage("--save-every says nothing to --merge, which is gone through in one go");
    const shard = args.shard === undefined ? undefined : parseShard(args.shard, process.env);
    const started = performance.now();
    const weights = await openWeights(args["weights-dir"]);
    try {
      const source = await vocabularyOf(weights, args);
      const { identity } = weights;
      if (shard) return await packShard(source, identity, shard, { args, report, progress, signal });
      const settings = {
        report,
        progress,
        signal,
        check: false,
        step: args.merge ? "merge" : "seal",
        source: identity,
        saveEvery: args["save-every"] === undefined ? undefined : 1000 * args["save-every"],
      };
      const { root, size, prompts, notes } = await (args.merge ? mergeArtifact : sealArtifact)(
        source,
        args.out,
        settings,
      );
      report.finish({
        json: { out: args.out, size, root: toHex(root), goldenPrompts: prompts, notes },
        brief: toHex(root),
        lines: [
          `${args.out}: ${formatBytes(size)}, sealed with the logits of ${prompts} golden prompts in ${formatSeconds(performance.now() - started)}`,
          `root ${report.ink.bold(toHex(root))}`,
        ],
      });
      return 0;
    } finally {
      await weights.close();
    }
  },
});

async function packShard(
  weights: WeightSource,
  source: Uint8Array,
  shard: Shard,
  {
    args: { out, "save-every": seconds },
    report,
    progress,
    signal,
  }: Context<{ readonly out: string; readonly "save-every": number | undefined }>,
): Promise<ExitCode> {
  const name = `part ${shard.number} of ${shard.of}`;
  try {
    const { tensors, resumed, size } = await sealShard(weights, out, {
      shard,
      prompts: goldenPrompts(weights),
      source,
      ...(seconds === undefined ? {} : { saveEvery: 1000 * seconds }),
      onProgress: (done, total) => progress.show(name, done, total),
      signal,
    });
    progress.clear();
    const kept = resumed > 0 ? `, ${resumed} of them by an earlier run` : "";
    report.finish({
      json: { out, shard: shard.number, of: shard.of, tensors, resumed, size },
      brief: name,
      lines: [`${name}: ${formatBytes(size)}, ${tensors} tensors sealed${kept}; when all parts are, add --merge`],
    });
    return 0;
  } finally {
    progress.clear();
  }
}

async function vocabularyOf(
  weights: WeightSource,
  { vocab, tokenizer }: { readonly vocab: string | undefined; readonly tokenizer: string | undefined },
): Promise<WeightSource> {
  if (vocab !== undefined) return withVocabulary(weights, await needSmallFile(vocab, MAX_VOCABULARY), vocab);
  if (tokenizer === undefined) return weights;
  const path = join(tokenizer, "tokenizer.json");
  const { vocab: _, ...vocabulary } = weights.vocabulary;
  return { ...weights, vocabulary: { ...vocabulary, tokenizer: await needSmallFile(path, MAX_VOCABULARY) } };
}

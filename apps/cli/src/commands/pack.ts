import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { toHex, type WeightSource } from "@s7l/format";
import { openWeights } from "@s7l/format/file";
import { CliError, refuseUsage } from "../errors.ts";
import { formatBytes, formatSeconds } from "../quantity.ts";
import { sealArtifact } from "../sealing.ts";
import { defineVerb } from "../verb.ts";
import { withVocabulary } from "../vocabulary.ts";

export const pack = defineVerb({
  summary: "seals a folder of INT8 weights into an artifact, and prints its root (also: seal)",
  examples: ["s7l pack --weights-dir model/weights/ --vocab model/vocab.json --out model/moe.s7l"],
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
  },
  async run({ args, report, progress, signal }) {
    if (args.vocab !== undefined && args.tokenizer !== undefined)
      refuseUsage("--vocab and --tokenizer exclude each other");
    const started = performance.now();
    const weights = await openWeights(args["weights-dir"]);
    try {
      const source = await vocabularyOf(weights, args);
      const { root, size, prompts } = await sealArtifact(source, args.out, {
        progress,
        signal,
        check: false,
        step: "seal",
      });
      report.finish({
        json: { out: args.out, size, root: toHex(root), goldenPrompts: prompts },
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

async function vocabularyOf(
  weights: WeightSource,
  { vocab, tokenizer }: { readonly vocab: string | undefined; readonly tokenizer: string | undefined },
): Promise<WeightSource> {
  if (vocab !== undefined) return withVocabulary(weights, await readWhole(vocab), vocab);
  if (tokenizer === undefined) return weights;
  const path = join(tokenizer, "tokenizer.json");
  const { vocab: _, ...vocabulary } = weights.vocabulary;
  return { ...weights, vocabulary: { ...vocabulary, tokenizer: await readWhole(path) } };
}

async function readWhole(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new CliError("io", `${path} cannot be read: ${cause instanceof Error ? cause.message : cause}`, path, {
      cause,
    });
  }
}

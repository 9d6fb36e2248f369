import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { tensorPlan, toHex } from "@s7l/format";
import { openFileSource, openWeights, writeWeights } from "@s7l/format/file";
import { openCheckpoint, quantize } from "@s7l/quantize";
import { loadModel } from "@s7l/runtime";
import { type DemoText, writeText } from "../demo-text.ts";
import { formatBytes, formatCount, formatSeconds } from "../quantity.ts";
import { sealArtifact, verifyWhole } from "../sealing.ts";
import { type Context, defineVerb } from "../verb.ts";
import { ruleLines, verdictJson, worthLines } from "../verdict-lines.ts";

/** One a domain of the model that comes along. */
const PROMPTS = [
  "KING HENRY:\nMy lord,",
  "def main(argv):\n    ",
  "If all cats are birds and all birds are stones, then are all cats stones? Explain why.",
  "Question: A box holds 5 pens. How many pens do 4 boxes hold?\n",
];

export const demo = defineVerb({
  summary: "the whole pipeline on s7-mini, a trained model that comes along: quantize, pack, verify, run",
  examples: ["s7l demo", "s7l demo --out s7-mini.s7l"],
  positionals: {},
  flags: {
    out: {
      type: "text",
      short: "o",
      hint: "FILE",
      description: "leaves the artifact here; without it nothing is left",
    },
  },
  async run(context) {
    const folder = await mkdtemp(join(tmpdir(), "s7l-demo-"));
    try {
      return await show(folder, context);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
});

type DemoContext = Context<{ readonly out: string | undefined }>;

async function show(folder: string, context: DemoContext): Promise<0 | 1> {
  const { report, args } = context;
  const { ink } = report;
  const weights = join(folder, "weights");
  const file = args.out ?? join(folder, "s7-mini.s7l");
  const title = (step: number, name: string, what: string): void =>
    report.say(`\n${ink.cyan(`${step} ${name}`)}${" ".repeat(10 - name.length)}${what}`);
  const detail = (text: string, time: number): void => report.say(`  ${text} ${ink.dim(`· ${formatSeconds(time)}`)}`);

  report.say(`${ink.bold("s7l demo")}: a trained checkpoint becomes one sealed file, is verified, and writes`);

  title(1, "quantize", "s7-mini, BF16, a shared trunk and four experts, to INT8");
  const { value: quantized, time: quantizing } = await timed(() => quantizeModel(weights, context));
  detail(
    `${formatCount(quantized.parameters)} parameters in ${quantized.tensors} tensors, one scale a row, rms error up to ${quantized.rmsError.toExponential(1)}`,
    quantizing,
  );

  title(2, "pack", "integers, compute program, tokenizer and policy into one file");
  const { value: packed, time: packing } = await timed(() => packWeights(weights, file, context));
  const root = toHex(packed.root);
  detail(`${formatBytes(packed.size)}, with the digests of the logits of ${packed.prompts} golden prompts`, packing);
  report.say(`  root ${ink.bold(root)}`);

  const source = await openFileSource(file);
  try {
    title(3, "verify", "every byte, by every rule");
    const { value: verification, time: verifying } = await timed(() => verifyWhole(source, context));
    context.progress.clear();
    for (const line of ruleLines(verification, ink)) report.say(`  ${line}`);
    for (const line of worthLines(verification, ink)) report.say(`  ${line}`);
    const { artifact } = verification;
    const texts: DemoText[] = [];
    if (artifact) {
      detail(`${formatBytes(source.size)} and ${packed.prompts} prompts`, verifying);
      title(4, "run", "what was verified, in integers alone");
      const { value: model, time: loading } = await timed(() => loadModel(artifact));
      detail(`loaded into the engine "${model.engine}"`, loading);
      try {
        for (const prompt of PROMPTS) texts.push(await writeText(model, prompt, context));
      } finally {
        model.close();
      }
    }
    report.finish({
      json: { ...verdictJson(verification), root, size: packed.size, texts },
      brief: root,
      lines: [
        "",
        ...(args.out === undefined ? [] : [`kept as ${args.out}`]),
        `The same root and the same text on every machine: s7l demo --quiet prints the root alone.`,
        `root ${ink.bold(root)}`,
      ],
    });
    return verification.ok ? 0 : 1;
  } finally {
    await source.close();
  }
}

async function quantizeModel(out: string, { progress, signal }: DemoContext) {
  const home = dirname(createRequire(import.meta.url).resolve("@s7l/s7-mini/package.json"));
  const checkpoint = await openCheckpoint(join(home, "checkpoints"));
  try {
    const weights = quantize(checkpoint);
    await writeWeights(out, weights, {
      report: weights.report,
      onProgress: (done, total) => progress.show("quantize", done, total),
      signal,
    });
    // Tables of RoPE frequencies are constants, not parameters.
    const plan = tensorPlan(weights.fold).filter(({ dtype }) => dtype !== "u64");
    return {
      parameters: plan.reduce((sum, { shape }) => sum + shape.reduce((n, size) => n * size, 1), 0),
      tensors: plan.length,
      rmsError: Math.max(...weights.report().tensors.map(({ rmsError }) => rmsError)),
    };
  } finally {
    progress.clear();
    await checkpoint.close();
  }
}

async function packWeights(folder: string, out: string, { report, progress, signal }: DemoContext) {
  const weights = await openWeights(folder);
  try {
    return await sealArtifact(weights, out, { report, progress, signal, check: false, step: "pack" });
  } finally {
    await weights.close();
  }
}

async function timed<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly time: number }> {
  const started = performance.now();
  const value = await work();
  return { value, time: performance.now() - started };
}

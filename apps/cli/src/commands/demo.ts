import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { tensorPlan, toHex } from "@s7l/format";
import { openFileSource, openWeights, writeWeights } from "@s7l/format/file";
import { openCheckpoint, quantize } from "@s7l/quantize";
import { loadModel, type Model, openSession, STX } from "@s7l/runtime";
import type { Verification } from "@s7l/verify";
import { formatBytes, formatCount, formatSeconds } from "../quantity.ts";
import { sealArtifact, verifyWhole, watched } from "../sealing.ts";
import { type Context, defineVerb } from "../verb.ts";
import { verdictJson, verdictLines } from "../verdict-lines.ts";

/** One a domain of the model that comes along. */
const PROMPTS = [
  "KING HENRY:\nMy lord,",
  "def main(argv):\n    ",
  "Given that Ann is taller than Bob, and Bob is taller than Eve. Is Ann",
  "23 + 45 =",
];
const MAX_TOKENS = 24;

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
  const { report } = context;
  const { ink } = report;
  const model = join(dirname(createRequire(import.meta.url).resolve("@s7l/s7-mini/package.json")), "checkpoints");
  const weights = join(folder, "weights");
  const file = context.args.out ?? join(folder, "s7-mini.s7l");
  const title = (step: number, name: string, what: string): void =>
    report.say(`${step > 1 ? "\n" : ""}${ink.cyan(`${step} ${name}`.padEnd(12))}${what}`);
  const detail = (text: string): void => report.say(`${" ".repeat(12)}${text}`);

  title(1, "quantize", "a trained BF16 checkpoint, shared trunk and four experts, to INT8");
  const quantized = await timed(() => quantizeFolder(model, weights, context));
  detail(
    `${formatCount(quantized.value.parameters)} parameters in ${quantized.value.tensors} tensors, one scale a row; root mean square error at most ${quantized.value.rmsError.toExponential(1)}`,
  );
  detail(ink.dim(formatSeconds(quantized.time)));

  title(2, "pack", "integers, compute program, tokenizer and policy into one file");
  const packed = await timed(() => packFolder(weights, file, context));
  const root = toHex(packed.value.root);
  detail(`${formatBytes(packed.value.size)}; the logits of ${packed.value.prompts} golden prompts are sealed with it`);
  detail(`root ${ink.bold(root)}`);
  detail(ink.dim(formatSeconds(packed.time)));

  const source = await openFileSource(file);
  try {
    title(3, "verify", "every byte, by every rule");
    const verified = await timed(() => verifyWhole(source, context));
    context.progress.clear();
    for (const line of verdictLines(verified.value, ink)) report.say(line === "" ? "" : `  ${line}`);
    detail(ink.dim(formatSeconds(verified.time)));
    const { artifact } = verified.value;
    if (!artifact) return finish(context, { packed: packed.value, root, verification: verified.value, texts: [] });

    title(4, "run", "what was verified, in integers alone; the same text on every machine");
    const loaded = await timed(() => loadModel(artifact));
    const texts: Text[] = [];
    for (const prompt of PROMPTS) texts.push(await write(loaded.value, prompt, context));
    return finish(context, { packed: packed.value, root, verification: verified.value, texts });
  } finally {
    await source.close();
  }
}

async function quantizeFolder(model: string, out: string, { progress, signal }: DemoContext) {
  const checkpoint = await openCheckpoint(model);
  try {
    const weights = quantize(checkpoint);
    await writeWeights(out, watched(weights, "quantize", { progress, signal }), { report: weights.report });
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

async function packFolder(folder: string, out: string, { progress, signal }: DemoContext) {
  const weights = await openWeights(folder);
  try {
    return await sealArtifact(weights, out, { progress, signal, check: false, step: "pack" });
  } finally {
    await weights.close();
  }
}

interface Text {
  readonly prompt: string;
  readonly text: string;
  readonly ids: readonly number[];
  readonly logitsDigest: string;
  readonly experts: readonly number[];
  readonly tokensPerSecond: number;
}

/** Continues a prompt, character by character as it comes. */
async function write(model: Model, prompt: string, { report, signal }: DemoContext): Promise<Text> {
  const { ink } = report;
  const quiet = report.put.bind(report);
  const indent = (text: string): string => text.replaceAll("\n", `\n  ${ink.dim("│")} `);
  const body = openSession(model).begin(STX);
  quiet(`  ${ink.dim("│")} ${ink.dim(indent(prompt))}`);
  const ids: number[] = [];
  let text = "";
  let logitsDigest = "";
  const started = performance.now();
  for await (const step of body.generate(prompt, { maxTokens: MAX_TOKENS, signal })) {
    ids.push(step.id);
    text += step.text;
    logitsDigest = toHex(step.logitsDigest);
    quiet(indent(step.text));
  }
  const seconds = (performance.now() - started) / 1000;
  const experts = body.routes;
  quiet("\n");
  report.say(
    `    ${ink.dim(`${describeExperts(model, experts)}; ${body.length / seconds >= 10 ? Math.round(body.length / seconds) : (body.length / seconds).toFixed(1)} positions/s; logits ${logitsDigest.slice(0, 16)}…`)}`,
  );
  return { prompt, text, ids, logitsDigest, experts, tokensPerSecond: ids.length / seconds };
}

/** Which experts wrote, and how many positions each. */
function describeExperts({ artifact: { lexical } }: Model, experts: readonly number[]): string {
  const domains = lexical ? [...lexical.domains, lexical.fallback] : [];
  return domains
    .map(({ name, expert }) => ({ name, count: experts.filter((it) => it === expert).length }))
    .filter(({ count }) => count > 0)
    .map(({ name, count }) => `${name} ${count}`)
    .join(", ");
}

interface Outcome {
  readonly packed: { readonly size: number };
  readonly root: string;
  readonly verification: Verification;
  readonly texts: readonly Text[];
}

function finish({ report, args }: DemoContext, { packed, root, verification, texts }: Outcome): 0 | 1 {
  report.finish({
    json: { ...verdictJson(verification), root, size: packed.size, texts },
    brief: root,
    lines: ["", `root ${report.ink.bold(root)}`, args.out === undefined ? "" : `kept as ${args.out}`].filter(
      (line, i) => i < 2 || line,
    ),
  });
  return verification.ok ? 0 : 1;
}

async function timed<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly time: number }> {
  const started = performance.now();
  const value = await work();
  return { value, time: performance.now() - started };
}

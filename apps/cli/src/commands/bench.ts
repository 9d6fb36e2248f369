import { takeTurn } from "@s7l/format";
import { CHUNK_TOKENS, type Model, openSession, type SessionBody, STX } from "@s7l/runtime";
import { ENGINE_FLAGS, withModel } from "../engine-flags.ts";
import { CliError, refuseUsage } from "../errors.ts";
import { bytesPerToken, readSpeed } from "../memory-traffic.ts";
import { formatBytes, formatCount } from "../quantity.ts";
import { defineVerb } from "../verb.ts";

/** Tokens where nobody says how many. */
const PROMPT = 256;
const GENERATE = 64;
/** Runs that count, after one that does not. */
const RUNS = 3;

export const bench = defineVerb({
  summary: "tokens a second of an artifact on this machine: medians of several runs, after a warm-up",
  examples: ["s7l bench model.s7l", "s7l bench model.s7l --prompt 512 --generate 128 --threads 1 --json"],
  positionals: { file: { description: "the artifact" } },
  flags: {
    prompt: { type: "integer", min: 1, hint: "N", description: `tokens of the prompt (default ${PROMPT})` },
    generate: { type: "integer", min: 1, hint: "N", description: `tokens after it (default ${GENERATE})` },
    runs: { type: "integer", min: 3, max: 1000, hint: "N", description: `runs that count (default ${RUNS})` },
    ...ENGINE_FLAGS,
  },
  async run({ args, report, progress, signal }) {
    const runs = args.runs ?? RUNS;
    const result = await withModel(args.file, args, signal, async (model) => {
      if (model.context < 2)
        throw new CliError("refused", "the model's context is one position: after a prompt there is none to generate");
      const { prompt, generate } = sizesIn(model.context, args);
      const rates: Rates[] = [];
      for (let i = 0; i <= runs; i++) {
        const rate = await measure(model, prompt, generate, signal);
        if (i > 0) rates.push(rate);
        progress.show("bench", (i + 1) * (prompt + generate), (runs + 1) * (prompt + generate), "tokens");
      }
      const { engine, threads, artifact } = model;
      return { prompt, generate, rates, engine, threads, bytes: bytesPerToken(artifact.fold) };
    });
    progress.clear();
    const { prompt, generate, rates, engine, threads, bytes } = result;
    const prefill = median(rates.map((rate) => rate.prefill));
    const decode = median(rates.map((rate) => rate.decode));
    const bandwidth = readSpeed();
    const share = (bytes * decode) / bandwidth;
    report.finish({
      json: {
        prefill,
        decode,
        threads,
        engine,
        bytesPerToken: bytes,
        bandwidthShare: share,
        prompt,
        generate,
        runs,
        bandwidth,
      },
      brief: decode.toFixed(1),
      lines: [
        `prefill       ${report.ink.bold(prefill.toFixed(1))} tokens/s, ${formatCount(prompt)} at a time`,
        `decode        ${report.ink.bold(decode.toFixed(1))} tokens/s, ${formatCount(generate)} one after another`,
        `weights       ${formatBytes(bytes)} a token: ${formatBytes(bytes * decode)}/s, ${(100 * share).toFixed(0)} % of the ${formatBytes(bandwidth)}/s that one thread reads here`,
        report.ink.dim(`${engine}, ${threads === 1 ? "one thread" : `${threads} threads`}, medians of ${runs} runs`),
      ],
    });
    return 0;
  },
});

interface Rates {
  readonly prefill: number;
  readonly decode: number;
}

/** What a run has of each. A default shrinks with the context; a number that was asked for is measured, or refused as usage. */
function sizesIn(
  context: number,
  asked: { readonly prompt: number | undefined; readonly generate: number | undefined },
): { readonly prompt: number; readonly generate: number } {
  const least = { prompt: asked.prompt ?? 1, generate: asked.generate ?? 1 };
  if (least.prompt + least.generate > context)
    refuseUsage(
      `a prompt of ${least.prompt} and ${least.generate} after it are more than the ${context} positions of the model's context: give less`,
    );
  const prompt = asked.prompt ?? Math.min(PROMPT, context - least.generate);
  return { prompt, generate: asked.generate ?? Math.min(GENERATE, context - prompt) };
}

/** One run in a session of its own. */
async function measure(model: Model, prompt: number, generate: number, signal: AbortSignal): Promise<Rates> {
  const session = openSession(model);
  try {
    const body = session.begin(STX);
    const first = await seconds(() => runInto(body, idsOf(model, 0, prompt), CHUNK_TOKENS, signal));
    const then = await seconds(() => runInto(body, idsOf(model, prompt, generate), 1, signal));
    return { prefill: prompt / first, decode: generate / then };
  } finally {
    session.close();
  }
}

async function runInto(body: SessionBody, ids: readonly number[], chunk: number, signal: AbortSignal): Promise<void> {
  for (let at = 0; at < ids.length; at += chunk) {
    // On one thread a step awaits nothing that lets Ctrl-C through.
    await takeTurn(signal);
    await body.forward(ids.slice(at, at + chunk));
  }
}

/** Ids all over the vocabulary, the same at each run. */
function idsOf({ vocab }: Model, from: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => ((from + i) * 7919 + 11) % vocab);
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}

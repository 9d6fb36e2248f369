import { addAbortSignal } from "node:stream";
import { toHex } from "@s7l/format";
import { writeFileWhole } from "@s7l/format/file";
import {
  createReceipt,
  type GenerateStep,
  MAX_STOPS,
  openSession,
  requireTokenizer,
  SAMPLING,
  type SessionBody,
  SessionStateError,
  STX,
} from "@s7l/runtime";
import { ENGINE_FLAGS, withLoaded } from "../engine-flags.ts";
import { CliError, refuseUsage } from "../errors.ts";
import { assertOutputs } from "../outputs.ts";
import { PASSWORD_FLAG } from "../password.ts";
import { formatCount } from "../quantity.ts";
import { receiptPlaces, writeReceipt } from "../receipt-file.ts";
import { readSigningKey } from "../signing-key.ts";
import { needSmallFile } from "../small-file.ts";
import { withSource } from "../source.ts";
import { assertKnownIds, readSequences } from "../token-file.ts";
import { defineVerb } from "../verb.ts";

/** Tokens where nobody says how many. */
const MAX_TOKENS = 128;
/** A saved session beyond this is none: Node reads no longer file at once. */
const MAX_SESSION_BYTES = 2 ** 31 - 1;

export const run = defineVerb({
  summary: "a verified artifact to text",
  examples: [
    's7l run model.s7l --prompt "Once upon a time" --max-tokens 64',
    "echo 'def main():' | s7l run model.s7l --temperature 0.8 --seed 7",
    's7l run model.s7l --prompt "def main" --receipt receipt.json --sign runner.key',
  ],
  positionals: { file: { description: "the artifact" } },
  flags: {
    prompt: { type: "text", hint: "TEXT", description: "what to continue; without it, stdin" },
    ids: { type: "text", hint: "FILE", description: "token ids in place of a prompt: a JSON array" },
    "max-tokens": { type: "integer", min: 1, hint: "N", description: `tokens at most (default ${MAX_TOKENS})` },
    temperature: {
      type: "decimal",
      ...SAMPLING.temperature,
      hint: "T",
      description: `0: always the likeliest token (default ${SAMPLING.temperature.usual})`,
    },
    "top-k": {
      type: "integer",
      ...SAMPLING.topK,
      hint: "K",
      description: `of the K likeliest; 0: of all (default ${SAMPLING.topK.usual})`,
    },
    "top-p": {
      type: "decimal",
      ...SAMPLING.topP,
      hint: "P",
      description: `of the likeliest that sum to P (default ${SAMPLING.topP.usual})`,
    },
    "min-p": {
      type: "decimal",
      ...SAMPLING.minP,
      hint: "P",
      description: `of those P times as likely as the likeliest (default ${SAMPLING.minP.usual})`,
    },
    "repeat-penalty": {
      type: "decimal",
      ...SAMPLING.repeatPenalty,
      hint: "R",
      description: `divides the logits of the last ${SAMPLING.repeatLast.usual} tokens (default ${SAMPLING.repeatPenalty.usual})`,
    },
    seed: { type: "integer", min: 0, hint: "S", description: "same seed, same text, on every machine (default 0)" },
    stop: { type: "texts", hint: "TEXT", description: "ends before this text; as often as wanted" },
    receipt: { type: "text", hint: "FILE", description: "writes what was computed, for s7l replay to hold it to" },
    sign: { type: "text", hint: "KEY", description: "signs the receipt: PEM, or minisign's own file" },
    "password-file": PASSWORD_FLAG,
    session: { type: "text", hint: "FILE", description: "goes on from a saved session" },
    "save-session": { type: "text", hint: "FILE", description: "saves the session, for --session to go on from" },
    ...ENGINE_FLAGS,
  },
  async run({ args, report, progress, signal }) {
    if (args.sign !== undefined && args.receipt === undefined)
      refuseUsage("--sign signs a receipt: add --receipt FILE");
    if (args["password-file"] !== undefined && args.sign === undefined)
      refuseUsage("--password-file is of the key that signs: add --sign KEY");
    if (args.receipt !== undefined && args.stop.length > MAX_STOPS)
      refuseUsage(`a receipt holds ${MAX_STOPS} stop texts, not ${args.stop.length}: give fewer, or no --receipt`);
    const key = args.sign === undefined ? undefined : await readSigningKey(args.sign, args["password-file"]);
    const inputs = [args.file, args.ids, args.sign, args["password-file"]];
    const places = receiptPlaces(args.receipt, key);
    await assertOutputs(places, [...inputs, args.session]);
    // A session that goes on may be saved where it was: it is read whole before.
    await assertOutputs([...places, args["save-session"]], inputs);
    if (args.prompt === "") refuseUsage("there is no prompt: --prompt is empty; give it a text, or --ids FILE");
    const given = args.ids === undefined ? args.prompt : await onlySequence(args.ids, args.prompt);
    const saved = args.session === undefined ? undefined : await needSmallFile(args.session, MAX_SESSION_BYTES);
    await withSource(args.file, signal, async (source) => {
      // After the file was found: a typo in its name is not told at the end of a long stdin.
      const prompt = given ?? (await readStdin(signal));
      await withLoaded(source, args, signal, async (model) => {
        if (args.ids !== undefined && typeof prompt !== "string") assertKnownIds(args.ids, [prompt], model.vocab);
        const session = openSession(model);
        const body = session.begin(STX);
        if (args.session !== undefined && saved) await restoreFrom(args.session, saved, body);
        const before = body.ids;
        // In the middle of a text nothing begins.
        const template = before.length === 0;
        const promptIds = typeof prompt === "string" ? requireTokenizer(model).encode(prompt, { template }) : prompt;
        const options = { maxTokens: args["max-tokens"] ?? MAX_TOKENS, stop: args.stop, ...samplingOf(args) };
        const steps: GenerateStep[] = [];
        const times: number[] = [];
        const generation = body.generate(promptIds, {
          ...options,
          signal,
          onPrompt: (done, total) => progress.show("prompt", done, total, "tokens"),
        });
        for await (const step of generation) {
          progress.clear();
          times.push(performance.now());
          steps.push(step);
          report.put(model.tokenizer ? step.text : `${step.id} `);
        }
        report.put("\n");
        const ids = steps.map(({ id }) => id);
        const { stop: stopped, logitsDigest: digest = new Uint8Array() } = steps.at(-1) ?? {};
        const tokensPerSecond = rateOf(times);
        const root = toHex(model.artifact.root);
        const logitsDigest = toHex(digest);
        const experts = body.routes.slice(before.length);
        if (args.receipt !== undefined)
          await writeReceipt(args.receipt, createReceipt(model, [...before, ...promptIds], options, steps), key);
        if (args["save-session"] !== undefined) {
          // The last id is not run yet; where the context is full, nobody goes on anyway.
          if (body.length < model.context) await body.forward(ids.slice(-1));
          await writeFileWhole(args["save-session"], await body.save());
        }
        report.note(
          `${formatCount(ids.length)} tokens, ended by ${stopped}, ${tokensPerSecond.toFixed(0)} tokens/s (${model.engine}${model.threads > 1 ? `, ${model.threads} threads` : ""}), logits ${logitsDigest.slice(0, 16)}…, root ${root.slice(0, 16)}…`,
        );
        report.finish({
          json: {
            text: steps.map(({ text }) => text).join(""),
            promptIds,
            ids,
            logitsDigest,
            experts,
            root,
            tokensPerSecond,
            stop: stopped,
            engine: model.engine,
            threads: model.threads,
          },
        });
      });
    });
    return 0;
  },
});

interface Sampling {
  readonly temperature: number | undefined;
  readonly "top-k": number | undefined;
  readonly "top-p": number | undefined;
  readonly "min-p": number | undefined;
  readonly "repeat-penalty": number | undefined;
  readonly seed: number | undefined;
}

/** The flags that were given; the sampler has the defaults. */
function samplingOf(args: Sampling) {
  return Object.fromEntries(
    Object.entries({
      temperature: args.temperature,
      topK: args["top-k"],
      topP: args["top-p"],
      minP: args["min-p"],
      repeatPenalty: args["repeat-penalty"],
      seed: args.seed,
    }).filter(([, value]) => value !== undefined),
  );
}

async function onlySequence(path: string, prompt: string | undefined): Promise<readonly number[]> {
  if (prompt !== undefined) refuseUsage("--prompt and --ids exclude each other");
  const [ids, more] = await readSequences(path);
  if (!ids || more) refuseUsage(`${path} holds several sequences; run takes one`);
  return ids;
}

/** Takes up a saved session. Throws SessionStateError, which names the file. */
async function restoreFrom(path: string, saved: Uint8Array, body: SessionBody): Promise<void> {
  try {
    await body.restore(saved);
  } catch (error) {
    if (!(error instanceof SessionStateError)) throw error;
    const { code, message, at } = error;
    const sentence = `${path} is refused: ${message}; --session takes what --save-session wrote`;
    throw new SessionStateError(code, sentence, at, { cause: error });
  }
}

/** The prompt from a pipe, without its last line end. Nobody waits at a terminal for a prompt that nobody announced. */
async function readStdin(signal: AbortSignal): Promise<string> {
  if (process.stdin.isTTY) refuseUsage("there is no prompt: give --prompt TEXT, --ids FILE, or text on stdin");
  const chunks: Uint8Array[] = [];
  for await (const chunk of addAbortSignal(signal, process.stdin)) chunks.push(chunk);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new CliError("foreign", "stdin is not UTF-8 text", "stdin");
  }
  const prompt = text.replace(/\r?\n$/, "");
  if (prompt === "") refuseUsage("there is no prompt: stdin is empty; give --prompt TEXT or --ids FILE");
  return prompt;
}

/** Tokens a second between the first and the last, which leaves the prompt out. */
function rateOf(times: readonly number[]): number {
  const first = times[0] ?? 0;
  const elapsed = (times.at(-1) ?? first) - first;
  return elapsed > 0 ? (1000 * (times.length - 1)) / elapsed : 0;
}

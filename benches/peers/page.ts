/** Runs in the browser: our engine and wllama take turns in one page, one thread each. Bundled and served by `wllama.ts`. */
import { openOurs } from "./our-turn.ts";
import { DECODE, PREFILL, type Turn } from "./turn.ts";

/** What is used of wllama 3.8.1; its own types are there only once the peers are installed. */
interface WllamaModule {
  readonly Wllama: new (
    paths: { readonly default: string },
    config: { readonly logger: Readonly<Record<"debug" | "log" | "warn" | "error", (...words: unknown[]) => void>> },
  ) => {
    loadModel(files: readonly Blob[], options: Readonly<Record<string, number | boolean>>): Promise<void>;
    isMultithread(): boolean;
    createCompletion(options: Readonly<Record<string, unknown>>): Promise<{
      readonly timings?: {
        readonly prompt_n: number;
        readonly prompt_ms: number;
        readonly predicted_n: number;
        readonly predicted_ms: number;
      };
    }>;
  };
}

/** What the page reports. */
export type Report =
  | { readonly about: string; readonly ours: readonly Turn[]; readonly theirs: readonly Turn[] }
  | { readonly error: string };

/** What wllama says, for the day it fails. */
const heard: string[] = [];
/** It takes text alone. Our GGUFs have no words, so that a letter is a token; before it come the start mark and the three bytes of `▁`. */
const TEXT = Array.from({ length: PREFILL - 4 }, (_, i) => String.fromCharCode(97 + ((i * 7) % 26))).join("");
const WLLAMA: string = "/wllama/index.js";

try {
  const query = new URLSearchParams(location.search);
  await report(await contest(query.get("shape") ?? "", Number(query.get("rounds"))));
} catch (error) {
  await report({ error: error instanceof Error ? `${error.message}\n${heard.slice(-20).join("\n")}` : String(error) });
}

async function contest(shape: string, rounds: number): Promise<Report> {
  const theirs = await openWllama(shape);
  const ours = await openOurs(shape, "simd", 1);
  await theirs.turn();
  await ours();
  const turns: { readonly ours: Turn[]; readonly theirs: Turn[] } = { ours: [], theirs: [] };
  for (let round = 0; round < rounds; round++) {
    turns.theirs.push(await theirs.turn());
    turns.ours.push(await ours());
  }
  return { about: theirs.about, ...turns };
}

async function openWllama(shape: string) {
  const { Wllama }: WllamaModule = await import(WLLAMA);
  const hear = (...words: unknown[]) => void heard.push(words.join(" "));
  const logger = { debug: hear, log: hear, warn: hear, error: hear };
  const wllama = new Wllama({ default: "/wllama/wasm/wllama.wasm" }, { logger });
  const gguf = await (await fetch(`/${shape}.gguf`)).blob();
  await wllama.loadModel([gguf], {
    n_ctx: 1024,
    n_batch: 512,
    n_ubatch: 512,
    n_threads: 1,
    n_gpu_layers: 0,
    n_parallel: 1,
  });
  return {
    about: `${navigator.userAgent.match(/Chrome\/\d+/)?.[0] ?? "browser"}, wllama threads ${wllama.isMultithread() ? "several" : 1}`,
    /** By wllama's own clock, which leaves out what it takes to reach its worker. */
    turn: async (): Promise<Turn> => {
      const { timings } = await wllama.createCompletion({
        prompt: TEXT,
        max_tokens: DECODE + 1,
        temperature: 0,
        ignore_eos: true,
        cache_prompt: false,
      });
      if (timings?.prompt_n !== PREFILL || timings.predicted_n !== DECODE + 1)
        throw new Error(`wllama ran ${timings?.prompt_n} and ${timings?.predicted_n} tokens`);
      return { prefill: timings.prompt_ms / 1000, decode: timings.predicted_ms / 1000 };
    },
  };
}

async function report(message: Report): Promise<void> {
  await fetch("/report", { method: "POST", body: JSON.stringify(message) });
}

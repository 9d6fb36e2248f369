/** wllama 3 in a page: llama.cpp's own server in WebAssembly with 64-bit addresses. */
import { DECODE, PREFILL, type Turn } from "./turn.ts";

/** What is used of wllama 3.8.1; its own types are there only once the peers are installed. */
interface WllamaModule {
  readonly Wllama: new (
    paths: { readonly default: string },
    config: { readonly logger: Readonly<Record<"debug" | "log" | "warn" | "error", (...words: unknown[]) => void>> },
  ) => {
    loadModel(files: readonly Blob[], options: Readonly<Record<string, number>>): Promise<void>;
    isMultithread(): boolean;
    createCompletion(options: Readonly<Record<string, string | number | boolean>>): Promise<{
      readonly timings?: Readonly<Record<"prompt_n" | "prompt_ms" | "predicted_n" | "predicted_ms", number>>;
    }>;
  };
}

const MODULE: string = "/wllama-3/index.js";
/** It takes text alone. Our GGUFs have no words, so that a letter is a token; before it come the start mark and the three bytes of `▁`. */
const TEXT = Array.from({ length: PREFILL - 4 }, (_, i) => String.fromCharCode(97 + ((i * 7) % 26))).join("");

/** Loads a GGUF. A turn is timed by wllama's own clock, which leaves out the way to its worker. */
export async function openWllama3(gguf: Blob): Promise<() => Promise<Turn>> {
  const heard: string[] = [];
  const hear = (...words: unknown[]) => void heard.push(words.join(" "));
  const { Wllama }: WllamaModule = await import(MODULE);
  const wllama = new Wllama(
    { default: "/wllama-3/wasm/wllama.wasm" },
    { logger: { debug: hear, log: hear, warn: hear, error: hear } },
  );
  const sizes = { n_ctx: 1024, n_batch: 512, n_ubatch: 512, n_parallel: 1 };
  await wllama.loadModel([gguf], { ...sizes, n_threads: 1, n_gpu_layers: 0 });
  if (wllama.isMultithread()) throw new Error("wllama 3 took more than one thread");
  const request = { prompt: TEXT, max_tokens: DECODE + 1, temperature: 0, ignore_eos: true, cache_prompt: false };
  return async () => {
    const { timings } = await wllama.createCompletion(request).catch((error) => {
      throw new Error(`wllama 3: ${error}\n${heard.slice(-10).join("\n")}`);
    });
    if (timings?.prompt_n !== PREFILL || timings.predicted_n !== DECODE + 1)
      throw new Error(`wllama 3 ran ${timings?.prompt_n} and ${timings?.predicted_n} tokens`);
    return { prefill: timings.prompt_ms / 1000, decode: timings.predicted_ms / 1000 };
  };
}

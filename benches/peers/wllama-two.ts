/** wllama 2 in a page: llama.cpp in WebAssembly with 32-bit addresses, called token by token. */
import { DECODE, PROMPT, type Turn } from "./turn.ts";

/** What is used of wllama 2.4.0; its own types are there only once the peers are installed. */
interface WllamaModule {
  readonly Wllama: new (
    paths: { readonly "single-thread/wllama.wasm": string },
    config: { readonly suppressNativeLog: true },
  ) => {
    loadModel(files: readonly Blob[], options: Readonly<Record<string, number>>): Promise<void>;
    kvClear(): Promise<void>;
    samplingInit(config: { readonly temp: 0 }): Promise<void>;
    samplingSample(): Promise<{ readonly token: number }>;
    decode(ids: readonly number[], options: Readonly<Record<string, never>>): Promise<unknown>;
  };
}

const MODULE: string = "/wllama-2/index.js";

/** Loads a GGUF. A turn is timed in the page; the way to wllama's worker is well under a hundredth of a token. */
export async function openWllama2(gguf: Blob): Promise<() => Promise<Turn>> {
  const { Wllama }: WllamaModule = await import(MODULE);
  const wllama = new Wllama(
    { "single-thread/wllama.wasm": "/wllama-2/single-thread/wllama.wasm" },
    { suppressNativeLog: true },
  );
  await wllama.loadModel([gguf], { n_ctx: 1024, n_batch: 512, n_threads: 1 });
  return async () => {
    await wllama.kvClear();
    await wllama.samplingInit({ temp: 0 });
    const start = performance.now();
    await wllama.decode(PROMPT, {});
    let { token } = await wllama.samplingSample();
    const middle = performance.now();
    for (let i = 0; i < DECODE; i++) {
      await wllama.decode([token], {});
      ({ token } = await wllama.samplingSample());
    }
    return { prefill: (middle - start) / 1000, decode: (performance.now() - middle) / 1000 };
  };
}

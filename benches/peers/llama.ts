/** llama.cpp as a contestant, by node-llama-cpp's prebuilt binary on the processor: `llama.ts GGUF THREADS wall|cores`. */
import { readFileSync } from "node:fs";
import { clockOf } from "./clock.ts";
import { takePart } from "./contest.ts";
import { DECODE, PREFILL, PROMPT } from "./turn.ts";

/** What is used of node-llama-cpp 3.22.1; its own types are there only once the peers are installed. */
interface NodeLlamaCpp {
  getLlama(options: {
    readonly gpu: false;
    readonly build: "never";
    readonly skipDownload: true;
    readonly logLevel: "error";
  }): Promise<{
    readonly systemInfo: string;
    loadModel(options: { readonly modelPath: string; readonly useMmap: false }): Promise<{
      createContext(options: {
        readonly contextSize: number;
        readonly batchSize: number;
        readonly threads: number;
        readonly sequences: 1;
      }): Promise<{
        readonly currentThreads: number;
        readonly flashAttention: boolean | "auto";
        getSequence(): {
          clearHistory(): Promise<void>;
          evaluate(
            ids: readonly number[],
            options: { readonly temperature: 0; readonly yieldEogToken: true },
          ): AsyncIterable<number>;
        };
      }>;
    }>;
  }>;
}

const NAME: string = "node-llama-cpp"; // not a literal where it is imported: the compiler would look for it
const [, , modelPath = "", threads = "1", clockName] = process.argv;

await takePart(async () => {
  const clock = clockOf(clockName);
  const { getLlama }: NodeLlamaCpp = await import(NAME);
  const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: "error" });
  // Into memory of its own, as ours: a mapped file has small pages, and the system may take them away between turns.
  const model = await llama.loadModel({ modelPath, useMmap: false });
  const context = await model.createContext({
    contextSize: 1024,
    batchSize: 512,
    threads: Number(threads),
    sequences: 1,
  });
  const sequence = context.getSequence();
  const turn = async () => {
    await sequence.clearHistory();
    const start = clock();
    let middle = start;
    let count = 0;
    for await (const _ of sequence.evaluate(PROMPT, { temperature: 0, yieldEogToken: true })) {
      if (count === 0) middle = clock();
      if (count++ === DECODE) break;
    }
    if (count !== DECODE + 1) throw new Error(`llama.cpp gave ${count} tokens after ${PREFILL}`);
    return { prefill: middle - start, decode: clock() - middle };
  };
  await turn(); // threads are handed out at the first
  return {
    about: `${binary()}, threads ${context.currentThreads}, flash attention ${context.flashAttention}; ${llama.systemInfo.trim()}`,
    turn,
  };
});

/** Which build for which processor was loaded; Linux tells. */
function binary(): string {
  if (process.platform !== "linux") return "prebuilt";
  return /libggml-cpu-\w+\.so/.exec(readFileSync("/proc/self/maps", "latin1"))?.[0] ?? "one build for all processors";
}

/** Which engine runs an artifact. Every choice gives the same bits. */
import type { VerifiedArtifact } from "@s7l/verify";
import { BYTES_A_THREAD, readOnThreads } from "@s7l/verify/threads";
import { bestEngine } from "./engine/host.ts";
import { hostThreads } from "./engine/host-threads.ts";
import type { TensorReader } from "./engine/tensors.ts";
import { createWasmEngine } from "./engine/wasm-engine.ts";
import type { Engine, EngineName } from "./engine.ts";
import { RuntimeError } from "./errors.ts";
import { createInterpreter } from "./reference/interpreter.ts";
import { readFoldWeights } from "./reference/weights.ts";
import { weightBytes } from "./weight-bytes.ts";

/** Weights that one core's cache holds: to share them out costs more than it saves. */
export const SMALL_WEIGHTS = 16 << 20;
/** Beyond so many threads memory is the limit. */
const MAX_AUTO = 8;

/** Loads the tensors into the wanted engine; `auto` is the fastest that this host has. */
export async function chooseEngine(
  artifact: VerifiedArtifact,
  { engine = "auto", threads }: { readonly engine?: EngineName | "auto"; readonly threads?: number },
): Promise<Engine> {
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1))
    throw new RuntimeError("option", `threads is ${threads}; it is a number of 1 or more`);
  switch (engine) {
    case "auto":
      return chooseEngine(artifact, { engine: await bestEngine(), ...(threads === undefined ? {} : { threads }) });
    case "interpreter":
      return createInterpreter(await readFoldWeights(artifact.fold, (name) => artifact.read(name)));
    case "simd":
    case "relaxed": {
      const bytes = weightBytes(artifact.plan);
      const wanted = threads ?? autoThreads(bytes);
      return createWasmEngine(onThreads(artifact, Math.min(wanted, Math.ceil(bytes / BYTES_A_THREAD))), {
        engine,
        threads: wanted,
      });
    }
    default:
      throw new RuntimeError("option", `there is no engine "${engine}": interpreter, simd, relaxed or auto`);
  }
}

/** An artifact whose tensors are read, and verified, on so many threads. */
function onThreads(artifact: VerifiedArtifact, threads: number): TensorReader {
  return {
    fold: artifact.fold,
    read: (name) => artifact.read(name),
    readAll: (readings) => readOnThreads(artifact, readings, { threads }),
  };
}

/** Threads for weights of so many bytes, where nobody says how many. */
export function autoThreads(bytes: number): number {
  return bytes <= SMALL_WEIGHTS ? 1 : Math.min(MAX_AUTO, hostThreads());
}

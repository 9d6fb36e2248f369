/** The flags of every verb that runs a model. */
import type { ByteSource } from "@s7l/format";
import { type LoadOptions, loadModel, MAX_THREADS, type Model, widenVectors } from "@s7l/runtime";
import { openVerified } from "@s7l/verify";
import { withSource } from "./source.ts";
import type { Flags } from "./verb.ts";

export const ENGINES = ["interpreter", "simd", "relaxed"] as const;

export const ENGINE_FLAGS = {
  engine: {
    type: "text",
    options: ENGINES,
    description: "which engine; all give the same bits (default: the fastest here, on Node 24 with wide vectors)",
  },
  threads: {
    type: "integer",
    min: 1,
    max: MAX_THREADS,
    hint: "N",
    description:
      "threads of the engine (default: one for a model that a core's cache holds, else as many as run at once, 8 at most)",
  },
} as const satisfies Flags;

interface EngineArguments {
  readonly engine: string | undefined;
  readonly threads: number | undefined;
}

/** Opens an artifact, loads it (each byte that runs is verified as it is read), works and closes, whatever happens. */
export function withModel<T>(
  place: string,
  args: EngineArguments,
  signal: AbortSignal,
  work: (model: Model) => Promise<T>,
): Promise<T> {
  return withSource(place, signal, (source) => withLoaded(source, args, signal, work));
}

/** The same with a source that is open already. */
export async function withLoaded<T>(
  source: ByteSource,
  { engine, threads }: EngineArguments,
  signal: AbortSignal,
  work: (model: Model) => Promise<T>,
): Promise<T> {
  const chosen = ENGINES.find((name) => name === engine);
  const options: LoadOptions = { ...(chosen ? { engine: chosen } : {}), ...(threads === undefined ? {} : { threads }) };
  // What is sealed or verified never rests on what V8 calls an experiment, and `--engine simd` does not either.
  if (chosen !== "simd") widenVectors();
  const model = await loadModel(await openVerified(source, { signal }), options);
  try {
    return await work(model);
  } finally {
    model.close();
  }
}

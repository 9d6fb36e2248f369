/** A loaded model: a verified artifact with an engine that runs it. */
import type { LexicalTable } from "@s7l/format";
import { isVerifiedArtifact, type VerifiedArtifact } from "@s7l/verify";
import type { Engine, EngineName } from "./engine.ts";
import { chooseEngine } from "./engine-choice.ts";
import { RuntimeError } from "./errors.ts";
import { createLexicalRouter, type RouteCursor } from "./session/lexical-router.ts";
import { openTokenizer, type Tokenizer } from "./tokenizer/tokenizer.ts";

export interface LoadOptions {
  /** Which engine; all give the same bits. `auto`, the default: the fastest that this host has. */
  readonly engine?: EngineName | "auto";
  /**
   * Threads that share each step, 15 at most; all give the same bits. Where the host shares no memory between threads (a page
   * that is not cross-origin isolated) it is one. Default: one for a model that a core's cache holds, else as many as the host runs
   * at once, 8 at most.
   */
  readonly threads?: number;
}

/** A model that can open sessions. Only {@link loadModel} makes one. */
export interface Model {
  readonly artifact: VerifiedArtifact;
  readonly engine: EngineName;
  /** Threads that share each step. */
  readonly threads: number;
  /** Logits a position. */
  readonly vocab: number;
  /** Positions a session may hold: the sealed policy's. */
  readonly context: number;
  /** Ids that end a generation. */
  readonly eos: readonly number[];
  /** Absent where the artifact seals neither tokenizer nor vocabulary: such a model speaks ids alone. */
  readonly tokenizer: Tokenizer | undefined;
  /**
   * Ends its threads, if it has any, and with them what they compute: for when no session of it is wanted any more. Where nobody calls it,
   * the garbage collector will.
   */
  readonly close: () => void;
}

interface Machine {
  readonly engine: Engine;
  /** Starts the routes of one sequence; absent where the fold has no routed stage. */
  readonly routes: (() => RouteCursor) | undefined;
}

/** What no caller may touch: without passing a gate there is no way to an engine. */
const machines = new WeakMap<Model, Machine>();

/**
 * Reads every tensor of a verified artifact, each proved as it arrives, into an engine. Throws RuntimeError: `unverified` for
 * anything that verify did not make, `engine` where the wanted one cannot be had, `tokenizer` for a sealed vocabulary
 * that cannot be read; and VerifyError where a tensor is not what was sealed.
 */
export async function loadModel(artifact: VerifiedArtifact, options: LoadOptions = {}): Promise<Model> {
  if (!isVerifiedArtifact(artifact)) throw notVerified();
  const { vocabulary } = artifact; // a copy at each call, tokenizer.json and all
  const tokenizer = openTokenizer(vocabulary, artifact.fold.vocab);
  const routes = artifact.lexical && lexicalRoutes(artifact.lexical, tokenizer);
  const engine = await chooseEngine(artifact, options);
  const model: Model = Object.freeze({
    artifact,
    engine: engine.name,
    threads: engine.threads,
    vocab: artifact.fold.vocab,
    context: artifact.policy.maxContext,
    eos: Object.freeze([...vocabulary.eos]),
    tokenizer,
    close: () => engine.close?.(),
  });
  machines.set(model, { engine, routes });
  return model;
}

export const notVerified = (): RuntimeError =>
  new RuntimeError("unverified", "this is no verified artifact: pass what verify or openVerified returns");

/** The engine behind a model; for sessions only (not exported by the index). */
export function machineOf(model: Model): Machine {
  const machine = machines.get(model);
  if (!machine) throw new RuntimeError("unverified", "this is no loaded model: pass what loadModel returns");
  return machine;
}

function lexicalRoutes(table: LexicalTable, tokenizer: Tokenizer | undefined): () => RouteCursor {
  if (!tokenizer)
    throw new RuntimeError(
      "tokenizer",
      "the model is routed by its text, but the artifact seals neither tokenizer nor vocabulary: seal one",
      "VOCAB",
    );
  return createLexicalRouter(table);
}

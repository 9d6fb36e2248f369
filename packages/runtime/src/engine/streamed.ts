/**
 * Runs short sequences through a model that is never held whole: one part of it at a time, a layer at most, is read, walked by
 * every sequence, and forgotten. The same kernels in the same order as in the engine that holds the model, so the same bits.
 */
import { type Fold, type PlannedTensor, tensorPlan } from "@s7l/format";
import type { EngineName, Logits } from "../engine.ts";
import { type Arena, allocateArena, chunkTokens } from "./arena.ts";
import { ProgramBuilder } from "./build-program.ts";
import { Cache } from "./cache.ts";
import { Heap } from "./heap.ts";
import { BASE, compileKernels } from "./host.ts";
import { instantiateKernels } from "./kernels.ts";
import { readLogits } from "./logit-rows.ts";
import type { Program } from "./program.ts";
import { Scores } from "./scores.ts";
import { surveyProgram, tensorsNamed } from "./survey.ts";
import { placeTensors, type TensorReader } from "./tensors.ts";
import { type Chunk, Walker } from "./walker.ts";

/** A part of a model: its tensors, what is built of them, and which way of a walker leads through it. */
interface Part {
  readonly tensors: readonly PlannedTensor[];
  readonly build: (builder: ProgramBuilder) => Program;
  readonly way: "embed" | "stages" | "head";
}

/**
 * The logits of every position of each sequence. Undefined where only an engine that holds the model can tell them: a sequence is
 * longer than a chunk, or the fold has a routed stage. Throws what the source throws, and the signal's reason.
 */
export async function runStreamed(
  source: TensorReader,
  name: Exclude<EngineName, "interpreter">,
  sequences: readonly (readonly number[])[],
  signal?: AbortSignal,
): Promise<readonly Logits[] | undefined> {
  const { fold } = source;
  if (fold.stages.some(({ kind }) => kind === "routed")) return undefined;
  const module = await compileKernels(name, false);
  const survey = await surveyProgram(module, fold);
  const longest = Math.max(...sequences.map((ids) => ids.length));
  if (longest > chunkTokens(survey.sizes, fold.context)) return undefined;

  const heap = new Heap(BASE, false);
  const kernels = await instantiateKernels(module, heap.memory);
  const scores = [new Scores(heap).reserve(longest)];
  const runs = sequences.map((ids) => ({
    arena: arenaOf(heap, survey, fold.vocab, longest, ids),
    logits: {
      vocab: fold.vocab,
      mantissas: new Int32Array(ids.length * fold.vocab),
      exponents: new Int32Array(ids.length),
    },
  }));
  const team = { part: 0, parts: 1, sync: () => {} };
  for (const { tensors, build, way } of partsOf(fold)) {
    signal?.throwIfAborted();
    const mark = heap.size;
    const placed = await placeTensors(heap, kernels, source, tensors);
    const program = build(new ProgramBuilder(heap, kernels, placed, name === "relaxed"));
    for (const { arena, logits } of runs) {
      const tokens = logits.exponents.length;
      const cache = new Cache(heap, program);
      for (const { length } of program.stacks) cache.reserve(length, tokens);
      const walker = new Walker(kernels, program, arena, team, () => heap.i32);
      const chunk: Chunk = { tokens, directory: cache.directory, scores, groups: [] };
      if (way === "head") headRows(walker, heap, arena, logits);
      else walker[way](chunk);
      cache.release();
    }
    heap.release(mark);
  }
  return runs.map(({ logits }) => logits);
}

/** The parts of a fold in the order in which a token passes them. */
function* partsOf(fold: Fold): Generator<Part, void, undefined> {
  const plan = tensorPlan(fold);
  yield { tensors: tensorsNamed(fold.embedding, plan), build: (builder) => builder.embedding(fold), way: "embed" };
  let { width } = fold;
  for (const stage of fold.stages) {
    const input = width;
    if (stage.kind === "layers") {
      const { stack } = stage;
      for (const [layer, kind] of stack.order.entries()) {
        const found = stack.kinds[kind];
        const experts = found?.ffn.kind === "experts" ? found.ffn.count : 1;
        yield {
          tensors: tensorsNamed(found, plan, [layer], experts),
          build: (builder) => builder.layerAlone(stack, input, layer),
          way: "stages",
        };
      }
    } else {
      yield { tensors: tensorsNamed(stage, plan), build: (builder) => builder.stageAlone(stage, input), way: "stages" };
      if (stage.kind === "project") width = stage.width;
    }
  }
  const head = fold.head.kind === "tied" ? [fold.head, fold.embedding] : fold.head;
  yield { tensors: tensorsNamed(head, plan), build: (builder) => builder.head(fold), way: "head" };
}

/** What a sequence keeps from part to part, with its ids in place. */
function arenaOf(heap: Heap, survey: Program, vocab: number, longest: number, ids: readonly number[]): Arena {
  // A part has one rotation at most, which takes the first place.
  const widest = survey.rotations.reduce((most, { pairs }) => Math.max(most, pairs), 0);
  const rotations = survey.rotations.slice(0, 1).map((rotation) => ({ ...rotation, pairs: widest }));
  const arena = allocateArena(heap, { ...survey, rotations }, { vocab, context: longest, parts: 1 });
  heap.i32.set(ids, arena.ids / 4);
  heap.i32.set([...ids.keys()], arena.positions / 4);
  return arena;
}

function headRows(walker: Walker, heap: Heap, arena: Arena, logits: Logits): void {
  const tokens = logits.exponents.length;
  for (let from = 0; from < tokens; from += arena.logitRows) {
    const count = Math.min(arena.logitRows, tokens - from);
    walker.head(from, count);
    readLogits(heap, arena, logits, from, count);
  }
}

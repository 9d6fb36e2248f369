/**
 * Runs short sequences through a model that is never held: of a layer its vectors and routers are, while its matrices pass by in blocks
 * of rows. The same kernels in the same order as in the engine that holds the model, so the same bits.
 */
import { type Fold, type PlannedTensor, tensorPlan } from "@s7l/format";
import type { EngineName, Logits } from "../engine.ts";
import { weightBytes } from "../weight-bytes.ts";
import { type Arena, allocateArena, chunkTokens } from "./arena.ts";
import { ProgramBuilder } from "./build-program.ts";
import { Cache } from "./cache.ts";
import { Heap } from "./heap.ts";
import { BASE, compileKernels } from "./host.ts";
import { instantiateKernels } from "./kernels.ts";
import { readLogits } from "./logit-rows.ts";
import { Passage, passes, type RangeReader } from "./passing-matrix.ts";
import type { Program } from "./program.ts";
import { Scores } from "./scores.ts";
import { surveyProgram, tensorsNamed } from "./survey.ts";
import { playTapes, Tape } from "./tape.ts";
import { placeTensors } from "./tensors.ts";
import { type Chunk, Walker } from "./walker.ts";

/** A part of a model: its tensors, what is built of them, and which way of a walker leads through it. */
interface Part {
  readonly tensors: readonly PlannedTensor[];
  readonly build: (builder: ProgramBuilder) => Program;
  readonly way: "embed" | "stages" | "head";
}

/** Bytes of rows that are held at a time: enough to be worth their reading, little beside what else there is. */
const BLOCK = 1 << 23;

export interface StreamOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes of a matrix that are held at a time; at least sixteen rows are. Default: 8 MiB. */
  readonly blockBytes?: number;
  /** Called after each part of the model, with the bytes of weights that have passed, and all that will. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * The logits of every position of each sequence. Undefined where only an engine that holds the model can tell them: a sequence is
 * longer than a chunk, or the fold has a routed stage. Throws what the source throws, and the signal's reason.
 */
export async function runStreamed(
  source: RangeReader,
  name: Exclude<EngineName, "interpreter">,
  sequences: readonly (readonly number[])[],
  { signal, blockBytes = BLOCK, onProgress }: StreamOptions = {},
): Promise<readonly Logits[] | undefined> {
  const { fold } = source;
  if (fold.stages.some(({ kind }) => kind === "routed")) return undefined;
  const module = await compileKernels(name, false);
  const survey = await surveyProgram(module, fold);
  const longest = Math.max(...sequences.map((ids) => ids.length));
  if (longest > chunkTokens(survey.sizes, fold.context)) return undefined;

  const heap = new Heap(BASE, false);
  const kernels = await instantiateKernels(module, heap.memory);
  const plan = tensorPlan(fold);
  const passage = new Passage(heap, kernels, source, plan, { blockBytes, rowSums: name === "relaxed" });
  const scores = [new Scores(heap).reserve(longest)];
  const chosen = [...new Set(sequences.flat())].sort((a, b) => a - b);
  const runs = sequences.map((ids) => ({
    arena: arenaOf(
      heap,
      survey,
      fold.vocab,
      longest,
      ids.map((id) => chosen.indexOf(id)),
    ),
    logits: {
      vocab: fold.vocab,
      mantissas: new Int32Array(ids.length * fold.vocab),
      exponents: new Int32Array(ids.length),
    },
  }));
  const team = { part: 0, parts: 1, sync: () => {} };
  const parts = [...partsOf(fold, plan)];
  const total = parts.reduce((sum, { tensors }) => sum + weightBytes(tensors), 0);
  let done = 0;
  for (const { tensors, build, way } of parts) {
    signal?.throwIfAborted();
    const mark = heap.size;
    const placed = new Map(
      await placeTensors(
        heap,
        kernels,
        source,
        tensors.filter((tensor) => !passes(tensor)),
      ),
    );
    for (const tensor of tensors.filter(passes))
      placed.set(tensor.name, way === "embed" ? await passage.pick(tensor, chosen) : passage.absent(tensor));
    const program = build(new ProgramBuilder(heap, kernels, placed, false));
    const tapes = runs.map(({ arena, logits }) => {
      const tokens = logits.exponents.length;
      const cache = new Cache(heap, program);
      for (const { length } of program.stacks) cache.reserve(length, tokens);
      const chunk: Chunk = { tokens, directory: cache.directory, scores, groups: [] };
      return new Tape(kernels, (noted) => {
        const walker = new Walker(noted, program, arena, team, () => heap.i32);
        if (way === "head") walker.head(0, tokens);
        else walker[way](chunk);
      });
    });
    await playTapes(tapes, passage, signal);
    if (way === "head")
      for (const { arena, logits } of runs) readLogits(heap, arena, logits, 0, logits.exponents.length);
    heap.release(mark);
    done += weightBytes(tensors);
    onProgress?.(done, total);
  }
  return runs.map(({ logits }) => logits);
}

/** The parts of a fold in the order in which a token passes them. */
function* partsOf(fold: Fold, plan: readonly PlannedTensor[]): Generator<Part, void, undefined> {
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

/** What a sequence keeps from part to part. `ids`: which of the rows that were picked of the embedding. */
function arenaOf(heap: Heap, survey: Program, vocab: number, longest: number, ids: readonly number[]): Arena {
  // A part has one rotation at most, which takes the first place.
  const widest = survey.rotations.reduce((most, { pairs }) => Math.max(most, pairs), 0);
  const rotations = survey.rotations.slice(0, 1).map((rotation) => ({ ...rotation, pairs: widest }));
  const arena = allocateArena(heap, { ...survey, rotations }, { vocab, context: longest, parts: 1, logits: longest });
  heap.i32.set(ids, arena.ids / 4);
  heap.i32.set([...ids.keys()], arena.positions / 4);
  return arena;
}

import { describe, expect, test } from "vitest";
import { describeEngines } from "../../test/engines.ts";
import { Dice, type RandomModel, randomModel, type Wish } from "../../test/random-model.ts";
import type { Engine, Logits } from "../engine.ts";
import { createInterpreter } from "../reference/interpreter.ts";
import { readFoldWeights } from "../reference/weights.ts";
import { allocateArena } from "./arena.ts";
import { buildProgram } from "./build-program.ts";
import { Heap } from "./heap.ts";
import { BASE, compileKernels } from "./host.ts";
import { instantiateKernels } from "./kernels.ts";
import { withSharedMemory } from "./shared-memory.ts";
import { placeTensors } from "./tensors.ts";
import { startCrew } from "./thread-crew.ts";
import { createWasmEngine } from "./wasm-engine.ts";

function tokensOf(model: RandomModel, seed: number, count: number) {
  const dice = new Dice(seed);
  const routed = model.fold.stages.some((stage) => stage.kind === "routed");
  return {
    ids: Array.from({ length: count }, () => dice.between(0, model.fold.vocab - 1)),
    experts: routed ? Array.from({ length: count }, () => dice.between(0, 2)) : [],
  };
}

/** All logits of a sequence cut into chunks, as one. */
async function run(engine: Engine, { ids, experts }: ReturnType<typeof tokensOf>, chunk: number) {
  const sequence = engine.open();
  const parts: Logits[] = [];
  for (let at = 0; at < ids.length; at += chunk)
    parts.push(await sequence.forward(ids.slice(at, at + chunk), experts.slice(at, at + chunk), "all"));
  sequence.close?.();
  return { mantissas: parts.flatMap((l) => [...l.mantissas]), exponents: parts.flatMap((l) => [...l.exponents]) };
}

const WISHES: readonly (readonly [string, Wish])[] = [
  ["qkv projections with rotation", { project: "qkv", position: "rope", ffn: "gated" }],
  ["latent attention", { project: "mla", position: "rope", ffn: "gated" }],
  ["tensor product attention", { project: "tpa", position: "rope", ffn: "gated" }],
  ["ALiBi", { project: "qkv", position: "alibi", ffn: "plain" }],
  ["experts", { ffn: "experts" }],
  ["routed experts", { routed: true }],
  ["anything", {}],
];

/** Of a sequence; more in `npm run test:whole`, as threads that outnumber the cores are slow to meet. */
const TOKENS = process.env.S7L_WHOLE ? 40 : 24;

describe.each([2, 3])("%i threads equal the interpreter bit for bit", (threads) => {
  describeEngines("kernels", (engine) => {
    test.each(WISHES)("with %s", async (_, wish) => {
      for (const seed of threads === 2 ? [21, 23] : [21]) {
        const model = randomModel(seed, seed === 23 ? { ...wish, temper: "extreme" } : wish);
        const tokens = tokensOf(model, seed, TOKENS);
        const expected = await run(createInterpreter(await readFoldWeights(model.fold, model.read)), tokens, TOKENS);
        const crew = await createWasmEngine(model, { engine, threads });
        expect(crew).toMatchObject({ name: engine, threads });
        for (const chunk of [1, 7, TOKENS]) expect(await run(crew, tokens, chunk)).toEqual(expected);
        crew.close?.();
      }
    });
  });

  test("over several pages of cache, as memory grows under them", async () => {
    const model = randomModel(5, { project: "qkv", position: "rope", ffn: "gated" });
    const tokens = tokensOf(model, 9, 330);
    const alone = await createWasmEngine(model);
    const crew = await createWasmEngine(model, { threads });
    const before = crew.memory;
    const expected = await run(alone, tokens, 330);
    // Sequences that stay open take new memory each.
    const held = Array.from({ length: 40 }, () => crew.open());
    for (const sequence of held) await sequence.forward(tokens.ids, tokens.experts, "last");
    expect(crew.memory).toBeGreaterThan(before);
    expect(await run(crew, tokens, 129)).toEqual(expected);
    crew.close?.();
  });
});

describe("a crew", () => {
  const model = randomModel(5, { project: "qkv", position: "rope", ffn: "gated" });
  const tokens = tokensOf(model, 3, 24);

  test("runs calls that do not wait for each other in their order", async () => {
    const crew = await createWasmEngine(model, { threads: 2 });
    const expected = await run(await createWasmEngine(model), tokens, 24);
    const { vocab } = model.fold;
    const sequences = [crew.open(), crew.open()];
    const calls = tokens.ids.flatMap((id) => sequences.map((sequence) => sequence.forward([id], [], "last")));
    for (const sequence of sequences) sequence.close?.(); // queued behind what still runs
    for (const [i, { mantissas }] of (await Promise.all(calls)).entries()) {
      const at = Math.floor(i / 2) * vocab;
      expect([...mantissas]).toEqual(expected.mantissas.slice(at, at + vocab));
    }
    crew.close?.();
  });

  test("leaves the calling thread free while it computes", async () => {
    const crew = await createWasmEngine(model, { threads: 2 });
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const sequence = crew.open();
    while (turns === 0 && sequence.length < 400) await sequence.forward([1], [], "last");
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0);
    crew.close?.();
  });

  test("that is ended fails the step under way at once", async () => {
    const crew = await createWasmEngine(model, { threads: 2 });
    let failed = false;
    const step = crew.open().forward(tokens.ids, tokens.experts, "last");
    step.catch(() => {
      failed = true;
    });
    await new Promise(setImmediate);
    crew.close?.();
    await new Promise(setImmediate);
    expect(failed).toBe(true);
    await expect(step).rejects.toMatchObject({ code: "engine" });
  });

  test("says that it has ended, and computes no more", async () => {
    const crew = await createWasmEngine(model, { threads: 2 });
    crew.close?.();
    await expect(crew.open().forward([1], [], "last")).rejects.toMatchObject({ code: "engine" });
  });

  test("fails as one when its threads do, and hangs for nobody", async () => {
    const heap = new Heap(BASE, true);
    const module = await compileKernels("simd", true);
    const kernels = await instantiateKernels(module, heap.memory);
    const program = buildProgram(heap, kernels, model.fold, await placeTensors(heap, kernels, model), false);
    const arena = allocateArena(heap, program, { vocab: model.fold.vocab, context: 8, parts: 2 });
    // The first thread alone has its workspace beyond the end of memory; the second waits for it at the barrier.
    const workspaces = [0x7fff_ff00, arena.workspaces[1] ?? 0];
    const crew = await startCrew(heap, module, program, { ...arena, workspaces }, 2);
    const step = { chunk: undefined, head: { from: 0, count: 2 } };
    await expect(crew.run(step)).rejects.toMatchObject({ code: "engine" });
    await expect(crew.run(step)).rejects.toMatchObject({ code: "engine" });
  });
});

describe("withSharedMemory", () => {
  test("changes the kind of the memory that kernels import, and nothing else", async () => {
    await compileKernels("simd", true);
    expect(() => withSharedMemory(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))).toThrow("one memory with a maximum");
  });
});

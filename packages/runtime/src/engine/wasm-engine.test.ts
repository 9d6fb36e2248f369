import { FOLD_NAME, type Fold, spanLayout, tensorPlan } from "@s7l/format";
import type { Reading } from "@s7l/verify/threads";
import { describe, expect, test } from "vitest";
import { DENSE, foldOf, randomSource } from "../../bench/shapes.ts";
import { describeEngines } from "../../test/engines.ts";
import { Dice, f32, type RandomModel, randomModel, type Wish } from "../../test/random-model.ts";
import type { Engine, Logits } from "../engine.ts";
import { createInterpreter } from "../reference/interpreter.ts";
import { readFoldWeights } from "../reference/weights.ts";
import { createWasmEngine } from "./wasm-engine.ts";

const interpreter = async (model: RandomModel): Promise<Engine> =>
  createInterpreter(await readFoldWeights(model.fold, model.read));

/** Ids and routes of a sequence. */
function tokensOf(model: RandomModel, seed: number, count: number): { ids: number[]; experts: number[] } {
  const dice = new Dice(seed);
  const routed = model.fold.stages.some((stage) => stage.kind === "routed");
  return {
    ids: Array.from({ length: count }, () => dice.between(0, model.fold.vocab - 1)),
    experts: routed ? Array.from({ length: count }, () => dice.between(0, 2)) : [],
  };
}

/** All logits of a sequence cut into chunks. */
async function run(
  engine: Engine,
  { ids, experts }: { ids: number[]; experts: number[] },
  chunk: number,
): Promise<Logits[]> {
  const sequence = engine.open();
  const parts: Logits[] = [];
  for (let at = 0; at < ids.length; at += chunk)
    parts.push(await sequence.forward(ids.slice(at, at + chunk), experts.slice(at, at + chunk), "all"));
  expect(sequence.length).toBe(ids.length);
  return parts;
}

function joined(parts: readonly Logits[]): { mantissas: number[]; exponents: number[] } {
  return {
    mantissas: parts.flatMap((l) => [...l.mantissas]),
    exponents: parts.flatMap((l) => [...l.exponents]),
  };
}

async function compare(
  name: "simd" | "relaxed",
  model: RandomModel,
  seed: number,
  count: number,
  chunks: readonly number[],
): Promise<void> {
  const tokens = tokensOf(model, seed, count);
  const expected = joined(await run(await interpreter(model), tokens, count));
  const engine = await createWasmEngine(model, { engine: name });
  expect(engine.name).toBe(name);
  for (const chunk of chunks) {
    const actual = joined(await run(engine, tokens, chunk));
    expect(actual.exponents).toEqual(expected.exponents);
    expect(actual.mantissas).toEqual(expected.mantissas);
  }
}

const WISHES: readonly (readonly [string, Wish])[] = [
  ["qkv projections with rotation", { project: "qkv", position: "rope", ffn: "gated" }],
  ["latent attention", { project: "mla", position: "rope", ffn: "gated" }],
  ["tensor product attention", { project: "tpa", position: "rope", ffn: "gated" }],
  ["ALiBi", { project: "qkv", position: "alibi", ffn: "plain" }],
  ["no positions", { project: "qkv", position: "none", ffn: "plain" }],
  ["silu gates", { ffn: "gated", activation: "silu" }],
  ["tanh gelu", { ffn: "plain", activation: "geluTanh" }],
  ["erf gelu", { ffn: "plain", activation: "geluErf" }],
  ["relu", { ffn: "gated", activation: "relu" }],
  ["squared relu", { ffn: "plain", activation: "relu2" }],
  ["clamped swish", { ffn: "clamped" }],
  ["experts", { ffn: "experts" }],
  ["routed experts", { routed: true }],
  ["anything", {}],
];

describeEngines("equals the interpreter bit for bit", (engine) => {
  describe.each(WISHES)("with %s", (_, wish) => {
    test.each([1, 2, 3, 4, 5, 6])("seed %i", async (seed) => {
      await compare(engine, randomModel(seed, wish), seed, 40, [1, 7, 40]);
    });
    test.each([11, 12, 13, 14])("and extreme weights, seed %i", async (seed) => {
      await compare(engine, randomModel(seed, { ...wish, temper: "extreme" }), seed, 24, [1, 5, 24]);
    });
  });
});

interface Extent {
  readonly width: number;
  readonly keySize: number;
  /** Of the attention's scores. */
  readonly scale: number;
}

/** Wide enough that 14-bit activations of full size overflow 32-bit sums, and a router's products overflow 64 bits. */
const WIDE: Extent = { width: 8192, keySize: 4, scale: 0.5 };

/** A model of one bare layer, without norms, whose weights a function gives. */
function bareModel({ width, keySize, scale }: Extent, weight: (row: number, column: number) => number): RandomModel {
  const linear = (tensor: string) => ({ tensor });
  const expert = {
    kind: "plain" as const,
    activation: "relu" as const,
    width: 8,
    fc1: linear("e{expert}.1"),
    fc2: linear("e{expert}.2"),
  };
  const fold: Fold = {
    fold: FOLD_NAME,
    version: 1,
    vocab: 5,
    context: 64,
    width,
    embedding: "embedding",
    stages: [
      {
        kind: "layers",
        stack: {
          order: [0],
          kinds: [
            {
              attention: {
                heads: 1,
                kvHeads: 1,
                keySize,
                valueSize: 4,
                scale: f32(scale),
                project: { kind: "qkv", q: linear("q"), k: linear("k"), v: linear("v"), o: linear("o") },
                position: { kind: "none" },
              },
              ffn: {
                kind: "experts",
                count: 4,
                used: 2,
                router: { linear: linear("router"), score: "softmax", weights: "raw", scale: f32(1) },
                expert,
              },
            },
          ],
        },
      },
    ],
    head: { kind: "tied" },
  };
  const spans = new Map(
    tensorPlan(fold).map((tensor) => {
      const layout = spanLayout(tensor);
      const span = new Uint8Array(layout.size);
      const view = new DataView(span.buffer);
      const [rows = 0, columns = 0] = tensor.shape;
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          view.setInt8(r * columns + c, weight(r, c));
          if (layout.plane > 0) view.setInt8(layout.plane + r * columns + c, weight(r, c));
        }
        // Router logits must be small enough for their softmax to tell them apart.
        const size = tensor.dtype === "i8x2" ? 1e-17 * (1.9 - r / 3) : 1.9999999 - r / 10000;
        view.setFloat32(layout.scales + r * 4, size, true);
      }
      return [tensor.name, span];
    }),
  );
  return { fold, read: async (name) => spans.get(name) ?? new Uint8Array() };
}

describeEngines("is exact in sums that pass 32 bits", (engine) => {
  test.each([
    ["all at the limit", () => 127],
    ["all at the other limit", () => -127],
    ["some tokens only", (row: number, column: number) => (row % 2 === 0 ? 127 : ((row + column * 7) % 255) - 127)],
  ])("with weights %s", async (_, weight) => {
    await compare(engine, bareModel(WIDE, weight), 1, 9, [1, 4, 9]);
  });
});

describeEngines("is exact in rows too long to be taken four at a time:", (engine) => {
  test.each([513, 528, 544, 1000, 1025])("of %i columns", async (width) => {
    const model = bareModel({ width, keySize: 8, scale: 0.01 }, (row, column) => ((row * 31 + column * 7) % 255) - 127);
    await compare(engine, model, 2, 9, [1, 2, 9]);
  });
});

describeEngines("limits scores of the largest heads", (engine) => {
  // Two kinds of tokens whose scores are of one size and opposite sign, at the limit, beyond it and far below.
  const opposite = (row: number): number => (row % 2 === 0 ? 127 : -127);
  test.each(Array.from({ length: 34 }, (_, i) => 1.38 * 2 ** (i - 48)))(
    "and does not wrap them, at scale %f",
    async (scale) => {
      const model = bareModel({ width: 16, keySize: 512, scale }, (row, column) =>
        column < 8 ? opposite(row) : row % 7,
      );
      await compare(engine, model, 4, 40, [1, 40]);
    },
  );
});

/** Layers of squares without a norm, each of which doubles exponents. */
function squaringModel(layers: number): RandomModel {
  const linear = (name: string) => ({ tensor: `${name}{layer}` });
  const fold: Fold = {
    fold: FOLD_NAME,
    version: 1,
    vocab: 3,
    context: 4,
    width: 2,
    embedding: "embedding",
    stages: [
      {
        kind: "layers",
        stack: {
          order: new Array<number>(layers).fill(0),
          kinds: [
            {
              attention: {
                heads: 1,
                kvHeads: 1,
                keySize: 2,
                valueSize: 2,
                scale: f32(1),
                project: { kind: "qkv", q: linear("q"), k: linear("k"), v: linear("v"), o: linear("o") },
                position: { kind: "none" },
              },
              ffn: { kind: "plain", activation: "relu2", width: 3, fc1: linear("up"), fc2: linear("down") },
            },
          ],
        },
      },
    ],
    head: { kind: "tied" },
  };
  const spans = new Map(
    tensorPlan(fold).map((tensor) => {
      const layout = spanLayout(tensor);
      const [rows = 0, columns = 0] = tensor.shape;
      const span = new Uint8Array(layout.size).fill(101, 0, rows * columns);
      const view = new DataView(span.buffer);
      for (let row = 0; row < rows; row++) view.setFloat32(layout.scales + 4 * row, 2 ** 127, true);
      return [tensor.name, span];
    }),
  );
  return { fold, read: async (name) => spans.get(name) ?? new Uint8Array() };
}

describeEngines("is exact up to the largest exponents", (engine) => {
  test("of the deepest fold that is legal", async () => {
    expect(() => squaringModel(16)).toThrow("beyond any exponent");
    await compare(engine, squaringModel(15), 1, 4, [1, 4]);
  });
});

describe("a sequence", () => {
  const model = randomModel(5, { project: "qkv", position: "rope", ffn: "gated" });

  describeEngines("equals the interpreter", (engine) => {
    test("over several pages of cache, cut anywhere", async () => {
      await compare(engine, model, 9, 330, [1, 64, 129, 330]);
    });

    test("over more pages than attention brings near at once", async () => {
      const long = randomModel(5, { project: "qkv", position: "rope", ffn: "gated", context: 1100 });
      await compare(engine, long, 9, 1100, [1099]);
    });
  });

  test("gives the logits of the last position alone where only those are wanted", async () => {
    const { ids } = tokensOf(model, 3, 200);
    const engine = await createWasmEngine(model);
    const all = await engine.open().forward(ids, [], "all");
    const last = await engine.open().forward(ids, [], "last");
    expect(last.exponents).toEqual(all.exponents.slice(-1));
    expect(last.mantissas).toEqual(all.mantissas.slice(-model.fold.vocab));
    expect((await engine.open().forward([], [], "last")).mantissas).toEqual(new Int32Array(0));
  });

  test("is independent of others that run in turns with it", async () => {
    const { ids } = tokensOf(model, 3, 100);
    const engine = await createWasmEngine(model);
    const alone = await engine.open().forward(ids, [], "all");
    const sequences = [engine.open(), engine.open()];
    for (const [i, id] of ids.entries()) {
      for (const [s, sequence] of sequences.entries()) {
        const { mantissas: row } = await sequence.forward([s === 0 ? id : (id + 1) % model.fold.vocab], [], "last");
        const { vocab } = model.fold;
        if (s === 0) expect(row).toEqual(alone.mantissas.slice(i * vocab, (i + 1) * vocab));
      }
    }
  });

  test("that is closed twice gives back only its own memory, which another may have by then", async () => {
    const { ids } = tokensOf(model, 3, 100);
    const others = tokensOf(model, 4, 100).ids;
    const engine = await createWasmEngine(model);
    const [alone, turns, first] = [engine.open(), engine.open(), engine.open()];
    const expected = await alone.forward(ids, [], "all");
    await first.forward(ids, [], "last");
    const close = async (): Promise<void> => {
      first.close?.();
      await turns.forward([], [], "last");
    };
    await close();
    const second = engine.open();
    await second.forward(ids.slice(0, 70), [], "last");
    await close();
    await engine.open().forward(others, [], "last");
    const rest = await second.forward(ids.slice(70), [], "all");
    expect(rest.mantissas).toEqual(expected.mantissas.slice(70 * model.fold.vocab));
    expect(rest.exponents).toEqual(expected.exponents.slice(70));
  });

  test.each([
    ["an id that is not in the vocabulary", [60], [], "ids"],
    ["an id that is no integer", [0.5], [], "ids"],
    ["more positions than the fold has", Array<number>(401).fill(0), [], "context"],
  ])("refuses %s and stays as it was", async (_, ids, experts, code) => {
    const sequence = (await createWasmEngine(model)).open();
    await expect(sequence.forward(ids, experts, "last")).rejects.toThrow(expect.objectContaining({ code }));
    expect(sequence.length).toBe(0);
  });

  test("refuses an expert that a routed stage does not have", async () => {
    const sequence = (await createWasmEngine(randomModel(2, { routed: true }))).open();
    await expect(sequence.forward([0], [3], "last")).rejects.toThrow(expect.objectContaining({ code: "ids" }));
  });
});

describe("memory", () => {
  test("holds the weights once, whether they can be read into place or not", async () => {
    const source = randomSource(foldOf({ ...DENSE, layers: 2, vocab: 8192 }));
    const bytes = tensorPlan(source.fold).reduce((sum, tensor) => sum + spanLayout(tensor).size, 0);
    const targets: ArrayBufferLike[] = [];
    await createWasmEngine({
      ...source,
      readInto: async (name, target) => {
        targets.push(target.buffer);
        await source.readInto?.(name, target);
      },
    });
    expect(new Set(targets).size).toBe(1); // one memory, which never grew while tensors came
    expect(targets[0]?.byteLength ?? 0).toBeLessThan(1.1 * bytes);
  });

  test.each([1, 2])("takes spans that are all read together, for %i threads", async (threads) => {
    for (const seed of [3, 4, 5]) {
      const model = randomModel(seed, { ffn: "experts" });
      const asked: string[] = [];
      const readAll = async (readings: readonly Reading[]): Promise<void> => {
        for (const { name, target } of readings) {
          asked.push(name);
          target.set(await model.read(name));
        }
      };
      const tokens = tokensOf(model, seed, 20);
      const together = await createWasmEngine({ ...model, readAll }, { threads });
      expect(joined(await run(together, tokens, 20))).toEqual(joined(await run(await interpreter(model), tokens, 20)));
      together.close?.();
      // All but what has two planes.
      expect(asked).toEqual(tensorPlan(model.fold).flatMap(({ name, dtype }) => (dtype === "i8x2" ? [] : [name])));
    }
  });
});

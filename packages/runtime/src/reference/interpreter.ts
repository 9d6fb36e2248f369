/**
 * The plain interpreter: what a fold means. One token at a time, in the order of the papers, written for reading.
 * Every engine must equal it bit for bit.
 */

import type { Engine, LayerState, Logits, Sequence } from "../engine.ts";
import { RuntimeError } from "../errors.ts";
import { attendHead, cacheKey, cacheValue, splitHeads, tensorProduct } from "./attention.ts";
import { type Activation, add, type Block, concat, quantise, scale } from "./block.ts";
import { type LayerCache, restoreLayer, saveLayer } from "./cache.ts";
import { sigmoidWide } from "./elementary.ts";
import { applyFfn } from "./ffn.ts";
import { shiftSaturating } from "./integer.ts";
import { applyLinear, embeddingRow, multiplyMatrix } from "./linear.ts";
import { applyNorm, type NormWeights } from "./norm.ts";
import { rotate, rotationAt } from "./rope.ts";
import { chooseExperts } from "./router.ts";
import type {
  AttentionWeights,
  FoldWeights,
  LayerFfnWeights,
  LayerWeights,
  ProjectionWeights,
  StageWeights,
} from "./weights.ts";

/** An engine that runs the definition itself. */
export function createInterpreter(weights: FoldWeights): Engine {
  return { name: "interpreter", threads: 1, open: () => new InterpreterSequence(weights) };
}

class InterpreterSequence implements Sequence {
  readonly #weights: FoldWeights;
  readonly #caches: readonly (readonly (readonly LayerCache[])[])[];
  #length = 0;

  constructor(weights: FoldWeights) {
    this.#weights = weights;
    this.#caches = weights.stages.map(emptyCaches);
  }

  get length(): number {
    return this.#length;
  }

  async forward(ids: readonly number[], experts: readonly number[], want: "last" | "all"): Promise<Logits> {
    const { vocab } = this.#weights.fold;
    const rows: Block[] = [];
    ids.forEach((id, i) => {
      const wanted = want === "all" || i === ids.length - 1;
      const row = this.#step(id, experts[i] ?? 0, wanted);
      if (row) rows.push(row);
    });
    const mantissas = new Int32Array(rows.length * vocab);
    for (const [i, row] of rows.entries()) mantissas.set(row.mantissas, i * vocab);
    return { vocab, mantissas, exponents: Int32Array.from(rows, (row) => row.exponent) };
  }

  async save(): Promise<readonly LayerState[]> {
    return this.#caches.flat(2).map(saveLayer);
  }

  async restore(layers: readonly LayerState[], length: number): Promise<void> {
    this.#caches.flat(2).forEach((cache, i) => {
      const state = layers[i];
      if (state) restoreLayer(cache, state);
    });
    this.#length = length;
  }

  #step(id: number, expert: number, wanted: boolean): Block | undefined {
    const { embedding, stages, headNorm, head } = this.#weights;
    const position = this.#length++;
    let h = embeddingRow(embedding, id);
    stages.forEach((stage, i) => {
      h = runStage(stage, this.#caches[i] ?? [], h, position, expert);
    });
    return wanted ? applyLinear(head, quantise(normOrSame(headNorm, h))) : undefined;
  }
}

function emptyCaches(stage: StageWeights): readonly (readonly LayerCache[])[] {
  const caches = (layers: readonly LayerWeights[]): readonly LayerCache[] =>
    layers.map(({ attention: { attention } }) => ({
      keys: Array.from({ length: attention.kvHeads }, () => []),
      values: Array.from({ length: attention.kvHeads }, () => []),
    }));
  switch (stage.kind) {
    case "layers":
      return [caches(stage.layers)];
    case "project":
      return [];
    case "routed":
      return stage.experts.map(({ layers }) => caches(layers));
  }
}

const normOrSame = (norm: NormWeights | undefined, x: Block): Block => (norm ? applyNorm(norm, x) : x);

function runStage(
  stage: StageWeights,
  caches: readonly (readonly LayerCache[])[],
  h: Block,
  position: number,
  expert: number,
): Block {
  switch (stage.kind) {
    case "layers":
      return runLayers(stage.layers, caches[0] ?? [], h, position);
    case "project":
      return applyLinear(stage.linear, quantise(normOrSame(stage.norm, h)));
    case "routed": {
      const chosen = stage.experts[expert];
      if (!chosen)
        throw new RuntimeError(
          "engine",
          `position ${position} is routed to expert ${expert} of ${stage.experts.length}`,
        );
      const x = normOrSame(chosen.norm, runLayers(chosen.layers, caches[expert] ?? [], h, position));
      return chosen.project ? applyLinear(chosen.project, quantise(x)) : x;
    }
  }
}

function runLayers(
  layers: readonly LayerWeights[],
  caches: readonly LayerCache[],
  input: Block,
  position: number,
): Block {
  let h = input;
  let firstValues: Block | undefined;
  layers.forEach((layer, i) => {
    const cache = caches[i];
    if (!cache) throw new RuntimeError("engine", `layer ${i} has no cache`);
    const x = quantise(normOrSame(layer.attentionNorm, h));
    const { output, values } = attend(layer.attention, cache, x, position, firstValues);
    firstValues ??= values;
    h = add(h, output);
    h = add(h, runFfn(layer.ffn, quantise(normOrSame(layer.ffnNorm, h))));
  });
  return h;
}

function attend(
  w: AttentionWeights,
  cache: LayerCache,
  x: Activation,
  position: number,
  firstValues: Block | undefined,
) {
  const { heads, kvHeads, window } = w.attention;
  const projected = project(w.project, w.attention, x);
  const rotation = w.rope && rotationAt(w.rope, position);
  const turn = (head: Block): Block => (w.rope && rotation ? rotate(w.rope.rope, rotation, head) : head);
  const queries = projected.queries.map(turn);
  const mix = w.valueMix;
  const values =
    mix !== undefined && firstValues
      ? add(scale(projected.values, mix.factor, mix.exponent), scale(firstValues, mix.rest, mix.restExponent))
      : projected.values;
  projected.keys.forEach((key, g) => {
    cache.keys[g]?.push(cacheKey(turn(key)));
  });
  splitHeads(values, kvHeads).forEach((value, g) => {
    cache.values[g]?.push(cacheValue(value));
  });
  const outputs = queries.map((query, head) => {
    const g = Math.floor((head * kvHeads) / heads);
    const keys = cache.keys[g] ?? [];
    const start = window === undefined ? 0 : Math.max(0, keys.length - window);
    return attendHead(w.terms, head, query, {
      start,
      keys: keys.slice(start),
      values: (cache.values[g] ?? []).slice(start),
    });
  });
  return { output: applyLinear(w.o, quantise(concat(outputs))), values };
}

interface Projected {
  /** By head. */
  readonly queries: readonly Block[];
  /** By key-value head. */
  readonly keys: readonly Block[];
  /** All key-value heads side by side. */
  readonly values: Block;
}

function project(p: ProjectionWeights, { heads, kvHeads }: AttentionWeights["attention"], x: Activation): Projected {
  const normed = (norm: NormWeights | undefined, xs: readonly Block[]): readonly Block[] =>
    xs.map((head) => normOrSame(norm, head));
  switch (p.kind) {
    case "qkv":
      return {
        queries: normed(p.qNorm, splitHeads(applyLinear(p.q, x), heads)),
        keys: normed(p.kNorm, splitHeads(applyLinear(p.k, x), kvHeads)),
        values: applyLinear(p.v, x),
      };
    case "mla": {
      const query = p.qDown ? quantise(applyNorm(p.qDown.norm, applyLinear(p.qDown.linear, x))) : x;
      const latent = quantise(applyNorm(p.kvNorm, applyLinear(p.kvDown, x)));
      const rotated = applyLinear(p.kRope, x); // one for all heads
      return {
        queries: splitHeads(applyLinear(p.qUp, query), heads),
        keys: splitHeads(applyLinear(p.kUp, latent), heads).map((key) => concat([key, rotated])),
        values: applyLinear(p.vUp, latent),
      };
    }
    case "tpa": {
      const biased = (y: Block, bias: Block | undefined): Block => (bias ? add(y, bias) : y);
      const product = (a: typeof p.aq, b: typeof p.bq, count: number, rank: number): Block =>
        tensorProduct(multiplyMatrix(a, x), multiplyMatrix(b, x), count, rank);
      return {
        queries: normed(p.qNorm, splitHeads(biased(product(p.aq, p.bq, heads, p.qRank), p.qBias), heads)),
        keys: normed(p.kNorm, splitHeads(biased(product(p.ak, p.bk, kvHeads, p.rank), p.kBias), kvHeads)),
        values: biased(product(p.av, p.bv, kvHeads, p.rank), p.vBias),
      };
    }
  }
}

function runFfn(ffn: LayerFfnWeights, x: Activation): Block {
  if (ffn.kind === "dense") return applyFfn(ffn.weights, x);
  const outputs = chooseExperts(ffn.router, ffn.used, x).flatMap(({ expert, factor, exponent }) => {
    const weights = ffn.experts[expert];
    return weights ? [scale(applyFfn(weights, x), factor, exponent)] : [];
  });
  if (ffn.shared) {
    const y = applyFfn(ffn.shared.weights, x);
    const { gate } = ffn.shared;
    outputs.push(gate ? scale(y, gateOf(applyLinear(gate, x))) : y);
  }
  return outputs.reduce(add);
}

/** sigmoid of a one-row result, Q30. */
const gateOf = ({ mantissas, exponent }: Block): number =>
  sigmoidWide(shiftSaturating(mantissas[0] ?? 0, exponent + 20));

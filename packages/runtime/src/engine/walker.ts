/**
 * Walks a fold for a chunk of tokens: which kernel runs on what, and nothing else. Every thread walks the same way with its own
 * share; `sync` stands where one kernel reads what another thread's share wrote. The mirror of ../reference/interpreter.ts.
 */
import type { Arena } from "./arena.ts";
import type { Kernels } from "./kernels.ts";
import { TALL_ROWS } from "./layout/sizes.ts";
import type {
  AttentionStep,
  ExpertsStep,
  FfnStep,
  LayerStep,
  MapStep,
  NormStep,
  Program,
  RoutedStep,
  StackStep,
  TensorProductStep,
} from "./program.ts";

/** What a chunk is, beside the ids, positions and members in the arena. */
export interface Chunk {
  readonly tokens: number;
  /** Address of the sequence's cache directory. */
  readonly directory: number;
  /** Address of the attention scores of each part. */
  readonly scores: readonly number[];
  /** Experts of a routed stage and how many of the chunk's members each has, in the order of the members. */
  readonly groups: readonly { readonly expert: number; readonly count: number }[];
}

/** One thread's share. */
export interface Team {
  readonly part: number;
  readonly parts: number;
  /** Waits until every part has come here. */
  readonly sync: () => void;
}

export class Walker {
  readonly #kernels: Kernels;
  readonly #program: Program;
  readonly #arena: Arena;
  readonly #part: number;
  readonly #parts: number;
  readonly #sync: () => void;
  readonly #words: () => Int32Array;
  #scores = 0;
  #directory = 0;

  /** `words`: a view of the whole memory. */
  constructor(kernels: Kernels, program: Program, arena: Arena, team: Team, words: () => Int32Array) {
    this.#kernels = kernels;
    this.#program = program;
    this.#arena = arena;
    this.#part = team.part;
    this.#parts = team.parts;
    this.#sync = team.sync;
    this.#words = words;
    kernels.setParts(team.parts);
    kernels.setWorkspace(arena.workspaces[team.part] ?? 0, arena.tall ? 1 : 0);
  }

  /** From ids to the stream after the last stage. */
  run(chunk: Chunk): void {
    this.embed(chunk);
    this.stages(chunk);
  }

  /** Ids to their rows in the stream. */
  embed({ tokens }: Chunk): void {
    const { ids, stream } = this.#arena;
    this.#kernels.embed(this.#program.embedding.record, ids, tokens, stream, this.#part, this.#parts);
  }

  /** The stream through every stage of the program. */
  stages({ tokens, directory, scores, groups }: Chunk): void {
    const { stream, activation, positions } = this.#arena;
    this.#directory = directory;
    this.#scores = scores[this.#part] ?? 0;
    for (const stage of this.#program.stages) {
      switch (stage.kind) {
        case "layers":
          this.#stack(stage.stack, stream, positions, tokens);
          break;
        case "project":
          this.#prepare(stage.norm, stream, tokens, stage.map.columns, activation);
          this.#linear(stage.map, activation, tokens, stream);
          break;
        case "routed":
          this.#routed(stage, groups);
          break;
      }
    }
  }

  /** Logits of `count` tokens of the stream from `from` on, into the arena. */
  head(from: number, count: number): void {
    const { headNorm, head } = this.#program;
    const { stream, routed, identity, activation, logits } = this.#arena;
    this.#sync();
    this.#kernels.pickRows(stream, identity + from * 4, count, routed, this.#part, this.#parts);
    this.#prepare(headNorm, routed, count, head.columns, activation);
    this.#linear(head, activation, count, logits);
  }

  #routed({ experts }: RoutedStep, groups: Chunk["groups"]): void {
    const { stream, routed, members, memberPositions, activation } = this.#arena;
    const k = this.#kernels;
    let at = 0;
    this.#sync();
    for (const { expert, count } of groups) {
      const chosen = experts[expert];
      if (!chosen) continue;
      const { stack, norm, project } = chosen;
      k.pickRows(stream, members + at, count, routed, this.#part, this.#parts);
      this.#stack(stack, routed, memberPositions + at, count);
      if (project) {
        this.#prepare(norm, routed, count, project.columns, activation);
        this.#linear(project, activation, count, routed);
      } else if (norm) {
        k.normBlocks(norm.record, routed, routed, count, stack.width, this.#part, this.#parts);
      }
      k.putRows(routed, members + at, count, stream, this.#part, this.#parts);
      this.#sync();
      at += count * 4;
    }
  }

  /** Runs a residual stack; tokens are shared out before and after. */
  #stack(stack: StackStep, stream: number, positions: number, tokens: number): void {
    const { rotations } = this.#arena;
    for (const { index, frequencies, pairs, significand, exponent } of stack.rotations) {
      const to = rotations[index] ?? 0;
      this.#kernels.rotations(
        frequencies,
        pairs,
        significand,
        exponent,
        positions,
        tokens,
        to,
        this.#part,
        this.#parts,
      );
    }
    const first = this.#words()[this.#directory / 4 + stack.length] ?? 0;
    stack.layers.forEach((layer, i) => {
      this.#layer(layer, stream, stack.width, tokens, first, stack.from + i === 0);
    });
  }

  #layer(layer: LayerStep, stream: number, width: number, tokens: number, slot: number, isFirst: boolean): void {
    const { activation, output } = this.#arena;
    const { attentionNorm, attention, ffnNorm, ffn } = layer;
    const k = this.#kernels;
    this.#prepare(attentionNorm, stream, tokens, width, activation);
    this.#attention(attention, tokens, slot, isFirst);
    k.addBlocks(stream, output, tokens, width, this.#part, this.#parts);
    this.#prepare(ffnNorm, stream, tokens, width, activation);
    if (ffn.kind === "dense") {
      this.#ffn(ffn.ffn, activation, tokens, output);
      k.addBlocks(stream, output, tokens, width, this.#part, this.#parts);
    } else {
      this.#experts(ffn, tokens, width);
      k.addBlocks(stream, this.#arena.sum, tokens, width, this.#part, this.#parts);
    }
  }

  /** Norm, if any, and rounding to an activation: both by token. */
  #prepare(norm: NormStep | undefined, rows: number, tokens: number, width: number, to: number): void {
    const { normed } = this.#arena;
    const k = this.#kernels;
    if (norm) k.normBlocks(norm.record, rows, normed, tokens, width, this.#part, this.#parts);
    k.quantise(norm ? normed : rows, to, tokens, width, this.#part, this.#parts);
  }

  /** A matrix, by rows: waits before and after, so that what is by token may come on either side. */
  #linear(map: MapStep, x: number, tokens: number, y: number): void {
    this.#sync();
    this.#multiply(map, x, tokens, y);
    this.#sync();
    if (map.biased) this.#kernels.addBias(y, map.record, tokens, this.#part, this.#parts);
  }

  #multiply({ record, rows }: MapStep, x: number, tokens: number, y: number): void {
    // Shares begin at whole tiles of assembly/linear-seven.ts, and threads do not write to one cache line.
    const share = Math.ceil(rows / (TALL_ROWS * this.#parts)) * TALL_ROWS;
    const from = Math.min(rows, this.#part * share);
    this.#kernels.linear(record, x, tokens, y, from, Math.min(rows, from + share), this.#part);
  }

  /** Several matrices of one activation with one wait. */
  #linears(maps: readonly (readonly [MapStep, number])[], x: number, tokens: number): void {
    this.#sync();
    for (const [map, y] of maps) this.#multiply(map, x, tokens, y);
    this.#sync();
    for (const [map, y] of maps) {
      if (map.biased) this.#kernels.addBias(y, map.record, tokens, this.#part, this.#parts);
    }
  }

  #attention(step: AttentionStep, tokens: number, slot: number, isFirst: boolean): void {
    const a = this.#arena;
    const k = this.#kernels;
    const part = this.#part;
    const parts = this.#parts;
    const scratch = a.scratch[part] ?? 0;
    const values = isFirst ? a.firstValues : a.values;
    this.#project(step, tokens, values);
    if (step.mix) {
      const { factor, exponent, rest, restExponent } = step.mix;
      const width = step.values;
      k.mixValues(values, a.firstValues, factor, exponent, rest, restExponent, tokens, width, scratch, part, parts);
    }
    this.#sync();
    const rotation = step.rotation ? (a.rotations[step.rotation.index] ?? 0) : 0;
    const table = this.#words()[this.#directory / 4 + this.#program.stacks.length + step.cache] ?? 0;
    const shared = step.project.kind === "mla" ? a.shared : 0;
    k.prepareQueries(step.record, a.queries, tokens, rotation, a.q, a.qExponents, scratch, part, parts);
    k.appendKeys(step.record, a.keys, shared, tokens, rotation, table, slot, scratch, part, parts);
    k.appendValues(step.record, values, tokens, table, slot, scratch, part, parts);
    this.#sync();
    k.attend(
      step.record,
      a.q,
      a.qExponents,
      tokens,
      table,
      slot,
      a.attended,
      a.attendedInfo,
      this.#scores,
      scratch,
      part,
      parts,
    );
    this.#sync();
    k.joinHeads(step.record, a.attended, a.attendedInfo, tokens, a.between, scratch, part, parts);
    this.#linear(step.o, a.between, tokens, a.output);
  }

  #project({ project: p }: AttentionStep, tokens: number, values: number): void {
    const { activation, between, latent, queries, keys, shared } = this.#arena;
    switch (p.kind) {
      case "qkv":
        this.#linears(
          [
            [p.q, queries],
            [p.k, keys],
            [p.v, values],
          ],
          activation,
          tokens,
        );
        break;
      case "mla": {
        if (p.qDown) {
          this.#linear(p.qDown.map, activation, tokens, latent);
          this.#prepare(p.qDown.norm, latent, tokens, p.qDown.map.rows, between);
          this.#linear(p.qUp, between, tokens, queries);
        } else this.#linear(p.qUp, activation, tokens, queries);
        this.#linears(
          [
            [p.kvDown, latent],
            [p.kRope, shared],
          ],
          activation,
          tokens,
        );
        this.#prepare(p.kvNorm, latent, tokens, p.kvDown.rows, between);
        this.#linears(
          [
            [p.kUp, keys],
            [p.vUp, values],
          ],
          between,
          tokens,
        );
        break;
      }
      case "tpa":
        this.#tensorProduct(p.q, tokens, queries);
        this.#tensorProduct(p.k, tokens, keys);
        this.#tensorProduct(p.v, tokens, values);
        break;
    }
  }

  #tensorProduct({ a, b, heads, rank, size, bias }: TensorProductStep, tokens: number, y: number): void {
    const { activation, leftFactors, rightFactors } = this.#arena;
    const k = this.#kernels;
    this.#linears(
      [
        [a, leftFactors],
        [b, rightFactors],
      ],
      activation,
      tokens,
    );
    k.tensorProduct(leftFactors, rightFactors, tokens, heads, rank, size, y, this.#part, this.#parts);
    if (bias !== 0) k.addBias(y, bias, tokens, this.#part, this.#parts);
  }

  #ffn({ record, inner, up, outer }: FfnStep, x: number, tokens: number, y: number): void {
    const a = this.#arena;
    const maps: readonly (readonly [MapStep, number])[] = up
      ? [
          [inner, a.inner],
          [up, a.up],
        ]
      : [[inner, a.inner]];
    this.#linears(maps, x, tokens);
    this.#kernels.activate(record, a.inner, up ? a.up : 0, tokens, a.hidden, a.ones, this.#part, this.#parts);
    this.#linear(outer, a.hidden, tokens, y);
  }

  /** Chosen experts in ascending index, each over all of its tokens at once, then the shared one. */
  #experts(step: ExpertsStep, tokens: number, width: number): void {
    const a = this.#arena;
    const k = this.#kernels;
    const { count, used } = step;
    const part = this.#part;
    const parts = this.#parts;
    this.#linear(step.logits, a.activation, tokens, a.routerLogits);
    k.chooseExperts(step.router, a.routerLogits, tokens, a.choices, a.scratch[part] ?? 0, part, parts);
    this.#sync();
    if (part === 0) k.sortChoices(a.choices, tokens, used, count, a.lists);
    this.#sync();
    const entries = a.lists + (count + 1) * 4;
    step.experts.forEach((expert, e) => {
      const words = this.#words();
      const from = words[a.lists / 4 + e] ?? 0;
      const members = (words[a.lists / 4 + e + 1] ?? 0) - from;
      if (members === 0) return;
      const list = entries + from * 4;
      k.gather(a.activation, list, members, used, width, a.gathered, part, parts);
      this.#ffn(expert, a.gathered, members, a.output);
      k.scatter(a.output, a.choices, list, members, used, width, a.sum, part, parts);
      this.#sync();
    });
    if (!step.shared) return;
    const { ffn, gate } = step.shared;
    this.#ffn(ffn, a.activation, tokens, a.output);
    if (gate) this.#linear(gate, a.activation, tokens, a.gateLogits);
    k.addShared(a.output, gate ? a.gateLogits : 0, tokens, width, a.sum, part, parts);
  }
}

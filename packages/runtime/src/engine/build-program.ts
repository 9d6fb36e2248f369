/** Builds a program of a fold whose tensors lie in WebAssembly memory. The mirror of ../reference/weights.ts. */
import type {
  Attention,
  ExpertFfn,
  ExpertsFfn,
  Ffn,
  Fold,
  Layer,
  Linear,
  Norm,
  Rope,
  Router,
  Stack,
  Stage,
} from "@s7l/format";
import { S7lError, tensorNameAt } from "@s7l/format";
import { log2Factor, log2Fixed } from "../reference/attention.ts";
import { f32Parts } from "../reference/f32.ts";
import { fixedQ30, mixFactors } from "../reference/weights.ts";
import type { Heap } from "./heap.ts";
import type { Kernels } from "./kernels.ts";
import type {
  AttentionStep,
  FfnStep,
  LayerFfnStep,
  LayerStep,
  MapStep,
  NormStep,
  Program,
  ProjectionStep,
  RotationStep,
  Sizes,
  StackStep,
  StageStep,
  TensorProductStep,
} from "./program.ts";
import { type AlignedVector, alignVector, type PlacedMatrix, type PlacedTensor, type PlacedVector } from "./tensors.ts";

interface Scope {
  readonly layer?: number;
  readonly expert?: number;
}

const pad8 = (n: number): number => Math.ceil(n / 8) * 8;

/** Writes every record of a fold into the heap; `rowSums`: with the row sums that relaxed kernels need. */
export function buildProgram(
  heap: Heap,
  kernels: Kernels,
  fold: Fold,
  tensors: ReadonlyMap<string, PlacedTensor>,
  rowSums: boolean,
): Program {
  return new ProgramBuilder(heap, kernels, tensors, rowSums).program(fold);
}

/** A part of a program: what is not built of it is never walked. */
const NOTHING: MapStep = { record: 0, rows: 0, columns: 0, biased: false };

export class ProgramBuilder {
  readonly #heap: Heap;
  readonly #kernels: Kernels;
  readonly #tensors: ReadonlyMap<string, PlacedTensor>;
  readonly #rowSums: boolean;
  readonly #aligned = new Map<number, AlignedVector>();
  readonly #constants = new Map<string, number>();
  readonly #rotations: RotationStep[] = [];
  readonly #pageBytes: number[] = [];
  readonly #stacks: StackStep[] = [];
  readonly #sizes: Sizes = {
    residual: 0,
    activation: 0,
    queries: 0,
    keys: 0,
    values: 0,
    shared: 0,
    latent: 0,
    factors: 0,
    paddedQueries: 0,
    heads: 0,
    headPad: 0,
    paddedMixed: 0,
    mixed: 0,
    hidden: 0,
    experts: 0,
    used: 0,
  };

  constructor(heap: Heap, kernels: Kernels, tensors: ReadonlyMap<string, PlacedTensor>, rowSums: boolean) {
    this.#heap = heap;
    this.#rowSums = rowSums;
    this.#kernels = kernels;
    this.#tensors = tensors;
  }

  /** The whole fold; all of its tensors must be placed. */
  program(fold: Fold): Program {
    const embedding = this.map({ tensor: fold.embedding }, {});
    this.grow("residual", fold.width);
    let { width } = fold;
    const stages = fold.stages.map((stage) => {
      const step = this.stage(stage, width);
      width =
        stage.kind === "project" ? stage.width : stage.kind === "routed" ? (stage.project?.width ?? width) : width;
      this.grow("residual", width);
      return step;
    });
    const head = fold.head.kind === "tied" ? embedding : this.map(fold.head.linear, {});
    return this.#part({ embedding, stages, headNorm: this.norm(fold.head.norm, {}), head });
  }

  /** The embedding alone. */
  embedding({ embedding }: Fold): Program {
    return this.#part({ embedding: this.map({ tensor: embedding }, {}) });
  }

  /** One layer of a stack alone. */
  layerAlone(stack: Stack, width: number, layer: number): Program {
    return this.#part({ stages: [{ kind: "layers", stack: this.stack(stack, width, {}, layer) }] });
  }

  /** One stage alone. */
  stageAlone(stage: Stage, width: number): Program {
    return this.#part({ stages: [this.stage(stage, width)] });
  }

  /** The head alone. */
  head({ head, embedding }: Fold): Program {
    const map = head.kind === "tied" ? this.map({ tensor: embedding }, {}) : this.map(head.linear, {});
    return this.#part({ headNorm: this.norm(head.norm, {}), head: map });
  }

  #part(built: Partial<Program>): Program {
    return {
      embedding: NOTHING,
      stages: [],
      headNorm: undefined,
      head: NOTHING,
      rotations: this.#rotations,
      pageBytes: this.#pageBytes,
      stacks: this.#stacks,
      sizes: this.#sizes,
      ...built,
    };
  }

  grow(size: keyof Sizes, to: number): void {
    this.#sizes[size] = Math.max(this.#sizes[size], to);
  }

  stage(stage: Stage, width: number): StageStep {
    switch (stage.kind) {
      case "layers":
        return { kind: "layers", stack: this.stack(stage.stack, width, {}) };
      case "project":
        return { kind: "project", norm: this.norm(stage.norm, {}), map: this.map(stage.linear, {}) };
      case "routed":
        return {
          kind: "routed",
          experts: Array.from({ length: stage.experts }, (_, expert) => ({
            stack: this.stack(stage.stack, width, { expert }),
            norm: this.norm(stage.norm, { expert }),
            project: stage.project && this.map(stage.project.linear, { expert }),
          })),
        };
    }
  }

  /** A stack, or one layer of it. */
  stack(stack: Stack, width: number, scope: Scope, only?: number): StackStep {
    const from = only ?? 0;
    const layers = stack.order.slice(from, only === undefined ? undefined : only + 1).map((kind, i) => {
      const layer = from + i;
      const found = stack.kinds[kind];
      if (!found) throw new S7lError("fold", `layer ${layer} is of kind ${kind}, which the fold does not have`);
      return this.layer(found, width, { ...scope, layer });
    });
    const rotations = [...new Set(layers.flatMap(({ attention }) => attention.rotation ?? []))];
    const step: StackStep = { length: this.#stacks.length, layers, from, rotations, width };
    this.#stacks.push(step);
    return step;
  }

  layer(layer: Layer, width: number, scope: Scope): LayerStep {
    return {
      attentionNorm: this.norm(layer.attentionNorm, scope),
      attention: this.attention(layer.attention, scope),
      ffnNorm: this.norm(layer.ffnNorm, scope),
      ffn: this.ffn(layer.ffn, width, scope),
    };
  }

  tensor(pattern: string, { layer, expert }: Scope): PlacedTensor {
    const name = tensorNameAt(pattern, layer, expert);
    const found = this.#tensors.get(name);
    if (!found) throw new S7lError("tensor-missing", `tensor ${name} is named by the fold but not planned by it`, name);
    return found;
  }

  matrix(pattern: string, scope: Scope): PlacedMatrix {
    const found = this.tensor(pattern, scope);
    if (found.kind !== "matrix")
      throw new S7lError("fold", `tensor ${pattern} is used as a matrix but planned as a vector`);
    return found;
  }

  raw(pattern: string, scope: Scope): PlacedVector {
    const found = this.tensor(pattern, scope);
    if (found.kind !== "vector")
      throw new S7lError("fold", `tensor ${pattern} is used as a vector but planned as a matrix`);
    return found;
  }

  vector(pattern: string, scope: Scope): AlignedVector {
    const raw = this.raw(pattern, scope);
    const known = this.#aligned.get(raw.data) ?? alignVector(this.#kernels, raw);
    this.#aligned.set(raw.data, known);
    return known;
  }

  /** f32 bits of a vector. */
  bits(pattern: string, scope: Scope): readonly number[] {
    const { data, length } = this.raw(pattern, scope);
    return Array.from(this.#heap.i32.subarray(data / 4, data / 4 + length), (word) => word >>> 0);
  }

  map({ tensor, bias }: Linear, scope: Scope): MapStep {
    const m = this.matrix(tensor, scope);
    const b = bias === undefined ? undefined : this.vector(bias, scope);
    this.grow("activation", m.columns);
    const sums = this.#rowSums && m.plane === 0 ? this.#heap.allocate(m.rows * 4) : 0;
    const record = this.#heap.record([
      m.data,
      m.stride,
      m.plane,
      m.multipliers,
      m.multiplierBits,
      m.exponent,
      m.rows,
      m.columns,
      b?.data ?? 0,
      b?.exponent ?? 0,
      b?.bits ?? 0,
      sums,
    ]);
    if (sums !== 0) this.#kernels.sumRows(record, sums);
    return { record, rows: m.rows, columns: m.columns, biased: b !== undefined };
  }

  norm(norm: Norm | undefined, scope: Scope): NormStep | undefined {
    if (!norm) return undefined;
    const gain = this.vector(norm.gain, scope);
    const bias = norm.kind === "layer" && norm.bias !== undefined ? this.vector(norm.bias, scope) : undefined;
    const eps = f32Parts(norm.eps);
    const record = this.#heap.record([
      norm.kind === "layer" ? 1 : 0,
      eps.significand,
      eps.exponent,
      gain.data,
      gain.exponent,
      bias?.data ?? 0,
      bias?.exponent ?? 0,
      bias?.bits ?? 0,
    ]);
    return { record };
  }

  needNorm(norm: Norm, scope: Scope): NormStep {
    const step = this.norm(norm, scope);
    if (!step) throw new S7lError("fold", "latent attention without a norm");
    return step;
  }

  rotation(rope: Rope, scope: Scope): RotationStep {
    const { data, length } = this.raw(rope.frequencies, scope);
    const { significand, exponent } = f32Parts(rope.magnitude);
    const known = this.#rotations.find(
      (r) => r.frequencies === data && r.significand === significand && r.exponent === exponent,
    );
    if (known) return known;
    const step = { index: this.#rotations.length, frequencies: data, pairs: length, significand, exponent };
    this.#rotations.push(step);
    return step;
  }

  /** i32 fixed point of every f32 of a vector: placed once, however many layers name it. */
  constants(pattern: string, scope: Scope, fraction: number): number {
    const key = `${tensorNameAt(pattern, scope.layer, scope.expert)} ${fraction}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const record = this.#heap.record(this.bits(pattern, scope).map((b) => log2Fixed(b, fraction)));
    this.#constants.set(key, record);
    return record;
  }

  attention(a: Attention, scope: Scope): AttentionStep {
    const { position, project: p } = a;
    const rope = position.kind === "rope" ? position : undefined;
    const rotation = rope && this.rotation(rope, scope);
    const scale = log2Factor(a.scale);
    const headNorms = p.kind === "mla" ? undefined : p;
    const record = this.#heap.record([
      a.heads,
      a.kvHeads,
      a.keySize,
      a.valueSize,
      scale.significand,
      scale.exponent,
      Math.min(a.window ?? 0, 0x7fff_ffff),
      rotation?.pairs ?? 0,
      rope?.pairs === "interleaved" ? 1 : 0,
      rope?.offset ?? 0,
      position.kind === "alibi" ? this.constants(position.slopes, scope, 24) : 0,
      a.sinks === undefined ? 0 : this.constants(a.sinks, scope, 16),
      this.norm(headNorms?.qNorm, scope)?.record ?? 0,
      this.norm(headNorms?.kNorm, scope)?.record ?? 0,
      p.kind === "mla" ? p.rope : 0,
    ]);
    this.grow("queries", a.heads * a.keySize);
    this.grow("keys", a.kvHeads * a.keySize);
    this.grow("values", a.kvHeads * a.valueSize);
    this.grow("paddedQueries", a.heads * pad8(a.keySize));
    this.grow("paddedMixed", a.heads * pad8(a.valueSize));
    this.grow("mixed", a.heads * a.valueSize);
    this.grow("heads", a.heads);
    this.grow("headPad", Math.max(pad8(a.keySize), pad8(a.valueSize)));
    const cache = this.#pageBytes.length;
    const pageBytes = this.#kernels.pageBytes(record);
    this.#pageBytes.push(pageBytes);
    return {
      record,
      heads: a.heads,
      project: this.projection(a, scope),
      o: this.map(p.o, scope),
      rotation,
      mix: a.valueResidual === undefined ? undefined : mixFactors(this.bits(a.valueResidual, scope)[0] ?? 0),
      values: a.kvHeads * a.valueSize,
      cache,
      pageBytes,
    };
  }

  projection({ project: p, heads, kvHeads, keySize, valueSize }: Attention, scope: Scope): ProjectionStep {
    switch (p.kind) {
      case "qkv":
        return { kind: "qkv", q: this.map(p.q, scope), k: this.map(p.k, scope), v: this.map(p.v, scope) };
      case "mla":
        this.grow("shared", p.rope);
        this.grow("latent", Math.max(p.kvRank, p.qDown?.rank ?? 0));
        return {
          kind: "mla",
          qDown: p.qDown && { map: this.map(p.qDown.linear, scope), norm: this.needNorm(p.qDown.norm, scope) },
          qUp: this.map(p.qUp, scope),
          kvDown: this.map(p.kvDown, scope),
          kvNorm: this.needNorm(p.kvNorm, scope),
          kRope: this.map(p.kRope, scope),
          kUp: this.map(p.kUp, scope),
          vUp: this.map(p.vUp, scope),
        };
      case "tpa": {
        const step = (
          a: string,
          b: string,
          heads: number,
          rank: number,
          size: number,
          bias: string | undefined,
        ): TensorProductStep => {
          this.grow("factors", Math.max(heads, size) * rank);
          return {
            a: this.map({ tensor: a }, scope),
            b: this.map({ tensor: b }, scope),
            heads,
            rank,
            size,
            bias: bias === undefined ? 0 : this.biasRecord(bias, heads * size, scope),
          };
        };
        return {
          kind: "tpa",
          q: step(p.aq, p.bq, heads, p.qRank, keySize, p.qBias),
          k: step(p.ak, p.bk, kvHeads, p.rank, keySize, p.kBias),
          v: step(p.av, p.bv, kvHeads, p.rank, valueSize, p.vBias),
        };
      }
    }
  }

  /** A map record of which only the rows and the bias are read. */
  biasRecord(bias: string, rows: number, scope: Scope): number {
    const b = this.vector(bias, scope);
    return this.#heap.record([0, 0, 0, 0, 0, 0, rows, 0, b.data, b.exponent, b.bits]);
  }

  ffn(ffn: Ffn, width: number, scope: Scope): LayerFfnStep {
    return ffn.kind === "experts" ? this.experts(ffn, width, scope) : { kind: "dense", ffn: this.expert(ffn, scope) };
  }

  expert(ffn: ExpertFfn, scope: Scope): FfnStep {
    const clamped = ffn.kind === "clamped" ? ffn : undefined;
    const alpha = f32Parts(clamped?.alpha ?? 0);
    const limit = f32Parts(clamped?.limit ?? 0);
    this.grow("hidden", ffn.width);
    return {
      record: this.#heap.record([
        activationCode(ffn),
        ffn.kind === "plain" ? 0 : 1,
        alpha.significand,
        alpha.exponent,
        limit.significand,
        limit.exponent,
        ffn.width,
      ]),
      inner: this.map(ffn.kind === "plain" ? ffn.fc1 : ffn.gate, scope),
      up: ffn.kind === "plain" ? undefined : this.map(ffn.up, scope),
      outer: this.map(ffn.kind === "plain" ? ffn.fc2 : ffn.down, scope),
    };
  }

  experts(ffn: ExpertsFfn, width: number, scope: Scope): LayerFfnStep {
    const { shared } = ffn;
    this.grow("experts", ffn.count);
    this.grow("used", ffn.used);
    this.grow("residual", width);
    return {
      kind: "experts",
      count: ffn.count,
      used: ffn.used,
      router: this.router(ffn.router, ffn, scope),
      logits: this.map(ffn.router.linear, scope),
      experts: Array.from({ length: ffn.count }, (_, expert) => this.expert(ffn.expert, { ...scope, expert })),
      shared: shared && {
        ffn: this.expert(shared.ffn, scope),
        gate: shared.gate && this.map(shared.gate, scope),
      },
    };
  }

  router(router: Router, { count, used }: ExpertsFfn, scope: Scope): number {
    const scale = f32Parts(router.scale);
    const { groups } = router;
    return this.#heap.record([
      count,
      used,
      router.score === "sigmoid" ? 1 : 0,
      router.selectionBias === undefined ? 0 : this.selectionBias(router.selectionBias, scope),
      router.weights === "normalised" ? 1 : 0,
      groups?.count ?? 0,
      groups?.used ?? 0,
      groups?.top ?? 0,
      scale.significand,
      scale.exponent,
    ]);
  }

  /** Q30 in 64 bits. */
  selectionBias(name: string, scope: Scope): number {
    return this.#heap.record(
      this.bits(name, scope).flatMap((bits) => {
        const value = BigInt(fixedQ30(bits));
        return [Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n))];
      }),
    );
  }
}

/** The codes of assembly/ffn.ts. */
function activationCode(ffn: ExpertFfn): number {
  if (ffn.kind === "clamped") return 5;
  return { silu: 0, geluTanh: 1, geluErf: 2, relu: 3, relu2: 4 }[ffn.activation];
}

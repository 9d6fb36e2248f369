/** A fold with its tensors read in: what the interpreter walks. */
import type {
  Attention,
  ExpertFfn,
  ExpertsFfn,
  Ffn,
  Fold,
  Layer,
  Linear,
  Norm,
  PlannedTensor,
  Stack,
  Stage,
} from "@s7l/format";
import { tensorPlan } from "@s7l/format";
import { RuntimeError } from "../errors.ts";
import { log2Factor, log2Fixed, type ScoreTerms } from "./attention.ts";
import type { Block } from "./block.ts";
import { f32Parts } from "./f32.ts";
import type { FfnWeights } from "./ffn.ts";
import { bitLength, pow2, roundShift } from "./integer.ts";
import { type LinearMap, type Matrix, readF32, readF32Bits, readMatrix, readU64 } from "./linear.ts";
import type { NormWeights } from "./norm.ts";
import type { RopeTable } from "./rope.ts";
import type { RouterWeights } from "./router.ts";
import { layersOf, type Scope, tensorAt } from "./scope.ts";

export type ProjectionWeights =
  | {
      readonly kind: "qkv";
      readonly q: LinearMap;
      readonly k: LinearMap;
      readonly v: LinearMap;
      readonly qNorm: NormWeights | undefined;
      readonly kNorm: NormWeights | undefined;
    }
  | {
      readonly kind: "mla";
      readonly qDown: { readonly linear: LinearMap; readonly norm: NormWeights } | undefined;
      readonly qUp: LinearMap;
      readonly kvDown: LinearMap;
      readonly kvNorm: NormWeights;
      readonly kRope: LinearMap;
      readonly kUp: LinearMap;
      readonly vUp: LinearMap;
    }
  | {
      readonly kind: "tpa";
      readonly qRank: number;
      readonly rank: number;
      readonly aq: Matrix;
      readonly ak: Matrix;
      readonly av: Matrix;
      readonly bq: Matrix;
      readonly bk: Matrix;
      readonly bv: Matrix;
      readonly qBias: Block | undefined;
      readonly kBias: Block | undefined;
      readonly vBias: Block | undefined;
      readonly qNorm: NormWeights | undefined;
      readonly kNorm: NormWeights | undefined;
    };

export interface AttentionWeights {
  readonly attention: Attention;
  readonly project: ProjectionWeights;
  readonly o: LinearMap;
  readonly rope: RopeTable | undefined;
  readonly terms: ScoreTerms;
  readonly valueMix: MixFactors | undefined;
}

export type LayerFfnWeights =
  | { readonly kind: "dense"; readonly weights: FfnWeights }
  | {
      readonly kind: "experts";
      readonly used: number;
      readonly router: RouterWeights;
      readonly experts: readonly FfnWeights[];
      readonly shared: { readonly weights: FfnWeights; readonly gate: LinearMap | undefined } | undefined;
    };

export interface LayerWeights {
  readonly attentionNorm: NormWeights | undefined;
  readonly attention: AttentionWeights;
  readonly ffnNorm: NormWeights | undefined;
  readonly ffn: LayerFfnWeights;
}

export interface ExpertStack {
  readonly layers: readonly LayerWeights[];
  readonly norm: NormWeights | undefined;
  readonly project: LinearMap | undefined;
}

export type StageWeights =
  | { readonly kind: "layers"; readonly layers: readonly LayerWeights[] }
  | { readonly kind: "project"; readonly norm: NormWeights | undefined; readonly linear: LinearMap }
  | { readonly kind: "routed"; readonly experts: readonly ExpertStack[] };

export interface FoldWeights {
  readonly fold: Fold;
  readonly embedding: Matrix;
  readonly stages: readonly StageWeights[];
  readonly headNorm: NormWeights | undefined;
  readonly head: LinearMap;
}

/** Reads every tensor of a fold; `read` gives a tensor's verified span. */
export async function readFoldWeights(fold: Fold, read: (name: string) => Promise<Uint8Array>): Promise<FoldWeights> {
  const spans = new Map<string, { readonly tensor: PlannedTensor; readonly span: Uint8Array }>();
  for (const tensor of tensorPlan(fold)) spans.set(tensor.name, { tensor, span: await read(tensor.name) });
  return new Reader(spans).fold(fold);
}

class Reader {
  readonly #spans: ReadonlyMap<string, { readonly tensor: PlannedTensor; readonly span: Uint8Array }>;
  readonly #matrices = new Map<string, Matrix>();

  constructor(spans: ReadonlyMap<string, { readonly tensor: PlannedTensor; readonly span: Uint8Array }>) {
    this.#spans = spans;
  }

  fold(fold: Fold): FoldWeights {
    const embedding = this.matrix(fold.embedding, {});
    return {
      fold,
      embedding,
      stages: fold.stages.map((stage) => this.stage(stage)),
      headNorm: this.norm(fold.head.norm, {}),
      head: fold.head.kind === "tied" ? { matrix: embedding, bias: undefined } : this.linear(fold.head.linear, {}),
    };
  }

  stage(stage: Stage): StageWeights {
    switch (stage.kind) {
      case "layers":
        return { kind: "layers", layers: this.stack(stage.stack, {}) };
      case "project":
        return { kind: "project", norm: this.norm(stage.norm, {}), linear: this.linear(stage.linear, {}) };
      case "routed":
        return {
          kind: "routed",
          experts: Array.from({ length: stage.experts }, (_, expert) => ({
            layers: this.stack(stage.stack, { expert }),
            norm: this.norm(stage.norm, { expert }),
            project: stage.project && this.linear(stage.project.linear, { expert }),
          })),
        };
    }
  }

  span(pattern: string, scope: Scope): { readonly tensor: PlannedTensor; readonly span: Uint8Array } {
    return tensorAt(this.#spans, pattern, scope);
  }

  matrix(pattern: string, scope: Scope): Matrix {
    const { tensor, span } = this.span(pattern, scope);
    const known = this.#matrices.get(tensor.name);
    if (known) return known;
    const matrix = readMatrix(tensor, span);
    this.#matrices.set(tensor.name, matrix);
    return matrix;
  }

  vector(pattern: string, scope: Scope): Block {
    const { tensor, span } = this.span(pattern, scope);
    return readF32(tensor, span);
  }

  bits(pattern: string, scope: Scope): Uint32Array {
    const { tensor, span } = this.span(pattern, scope);
    return readF32Bits(tensor, span);
  }

  linear({ tensor, bias }: Linear, scope: Scope): LinearMap {
    return { matrix: this.matrix(tensor, scope), bias: bias === undefined ? undefined : this.vector(bias, scope) };
  }

  norm(norm: Norm | undefined, scope: Scope): NormWeights | undefined {
    if (!norm) return undefined;
    const bias = norm.kind === "layer" && norm.bias !== undefined ? this.vector(norm.bias, scope) : undefined;
    return { kind: norm.kind, eps: f32Parts(norm.eps), gain: this.vector(norm.gain, scope), bias };
  }

  stack(stack: Stack, scope: Scope): readonly LayerWeights[] {
    return layersOf(stack).map((layer, i) => this.layer(layer, { ...scope, layer: i }));
  }

  layer(layer: Layer, scope: Scope): LayerWeights {
    return {
      attentionNorm: this.norm(layer.attentionNorm, scope),
      attention: this.attention(layer.attention, scope),
      ffnNorm: this.norm(layer.ffnNorm, scope),
      ffn: this.ffn(layer.ffn, scope),
    };
  }

  attention(attention: Attention, scope: Scope): AttentionWeights {
    const { position, sinks, valueResidual } = attention;
    const rope =
      position.kind === "rope"
        ? { rope: position, frequencies: readU64(this.span(position.frequencies, scope).span, position.dims / 2) }
        : undefined;
    const slopes =
      position.kind === "alibi" ? Array.from(this.bits(position.slopes, scope), (b) => log2Fixed(b, 24)) : undefined;
    return {
      attention,
      project: this.projection(attention, scope),
      o: this.linear(attention.project.o, scope),
      rope,
      terms: {
        scale: log2Factor(attention.scale),
        slopes,
        sinks: sinks === undefined ? undefined : Array.from(this.bits(sinks, scope), (b) => log2Fixed(b, 16)),
      },
      valueMix: valueResidual === undefined ? undefined : mixFactors(this.bits(valueResidual, scope)[0] ?? 0),
    };
  }

  projection({ project: p }: Attention, scope: Scope): ProjectionWeights {
    switch (p.kind) {
      case "qkv":
        return {
          kind: "qkv",
          q: this.linear(p.q, scope),
          k: this.linear(p.k, scope),
          v: this.linear(p.v, scope),
          qNorm: this.norm(p.qNorm, scope),
          kNorm: this.norm(p.kNorm, scope),
        };
      case "mla": {
        const kvNorm = this.norm(p.kvNorm, scope);
        const qNorm = this.norm(p.qDown?.norm, scope);
        if (!kvNorm) throw new RuntimeError("engine", "latent attention without a norm");
        return {
          kind: "mla",
          qDown: p.qDown && qNorm && { linear: this.linear(p.qDown.linear, scope), norm: qNorm },
          qUp: this.linear(p.qUp, scope),
          kvDown: this.linear(p.kvDown, scope),
          kvNorm,
          kRope: this.linear(p.kRope, scope),
          kUp: this.linear(p.kUp, scope),
          vUp: this.linear(p.vUp, scope),
        };
      }
      case "tpa": {
        const vector = (name: string | undefined) => (name === undefined ? undefined : this.vector(name, scope));
        return {
          kind: "tpa",
          qRank: p.qRank,
          rank: p.rank,
          aq: this.matrix(p.aq, scope),
          ak: this.matrix(p.ak, scope),
          av: this.matrix(p.av, scope),
          bq: this.matrix(p.bq, scope),
          bk: this.matrix(p.bk, scope),
          bv: this.matrix(p.bv, scope),
          qBias: vector(p.qBias),
          kBias: vector(p.kBias),
          vBias: vector(p.vBias),
          qNorm: this.norm(p.qNorm, scope),
          kNorm: this.norm(p.kNorm, scope),
        };
      }
    }
  }

  ffn(ffn: Ffn, scope: Scope): LayerFfnWeights {
    return ffn.kind === "experts" ? this.experts(ffn, scope) : { kind: "dense", weights: this.expert(ffn, scope) };
  }

  expert(ffn: ExpertFfn, scope: Scope): FfnWeights {
    const inner = this.linear(ffn.kind === "plain" ? ffn.fc1 : ffn.gate, scope);
    const up = ffn.kind === "plain" ? undefined : this.linear(ffn.up, scope);
    return { ffn, inner, up, outer: this.linear(ffn.kind === "plain" ? ffn.fc2 : ffn.down, scope) };
  }

  experts(ffn: ExpertsFfn, scope: Scope): LayerFfnWeights {
    const { router, shared } = ffn;
    const bias = router.selectionBias;
    return {
      kind: "experts",
      used: ffn.used,
      router: {
        router,
        linear: this.linear(router.linear, scope),
        bias: bias === undefined ? undefined : Array.from(this.bits(bias, scope), fixedQ30),
      },
      experts: Array.from({ length: ffn.count }, (_, expert) => this.expert(ffn.expert, { ...scope, expert })),
      shared: shared && {
        weights: this.expert(shared.ffn, scope),
        gate: shared.gate && this.linear(shared.gate, scope),
      },
    };
  }
}

/** f32 bits as Q30, limited to ±2^40: 4096 of them (the scores of a group of experts) add up below 2^53. */
export function fixedQ30(bits: number): number {
  const { significand, exponent } = f32Parts(bits);
  const k = exponent + 30;
  if (k <= 0) return roundShift(significand, -k);
  return k > 16 ? Math.sign(significand) * pow2(40) : significand * pow2(k);
}

/** λ and 1 - λ of the value residual: factor / 2^30 · 2^exponent, |factor| <= 2^30. */
export interface MixFactors {
  readonly factor: number;
  readonly exponent: number;
  readonly rest: number;
  readonly restExponent: number;
}

/** λ from its f32 bits. Any λ keeps |mantissa| <= 2^30: a factor beyond 1 gives its size to the exponent. */
export function mixFactors(bits: number): MixFactors {
  const lambda = fixedQ30(bits);
  const excess = (x: number): number => (Math.abs(x) <= pow2(30) ? 0 : bitLength(x) - 30);
  const rest = pow2(30) - lambda;
  const exponent = excess(lambda);
  const restExponent = excess(rest);
  return { factor: roundShift(lambda, exponent), exponent, rest: roundShift(rest, restExponent), restExponent };
}

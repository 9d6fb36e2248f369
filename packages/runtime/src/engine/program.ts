/** What the walker walks: a fold as steps, each the addresses of its records in WebAssembly memory. */
import type { MixFactors } from "../reference/weights.ts";

/** A matrix with its optional bias: the address of its record. */
export interface MapStep {
  readonly record: number;
  readonly rows: number;
  readonly columns: number;
  readonly biased: boolean;
}

/** The address of a norm's record. */
export interface NormStep {
  readonly record: number;
}

/** One rotation table: layers that share frequencies and magnitude share it. */
export interface RotationStep {
  readonly index: number;
  readonly frequencies: number;
  readonly pairs: number;
  readonly significand: number;
  readonly exponent: number;
}

export type ProjectionStep =
  | { readonly kind: "qkv"; readonly q: MapStep; readonly k: MapStep; readonly v: MapStep }
  | {
      readonly kind: "mla";
      readonly qDown: { readonly map: MapStep; readonly norm: NormStep } | undefined;
      readonly qUp: MapStep;
      readonly kvDown: MapStep;
      readonly kvNorm: NormStep;
      readonly kRope: MapStep;
      readonly kUp: MapStep;
      readonly vUp: MapStep;
    }
  | {
      readonly kind: "tpa";
      readonly q: TensorProductStep;
      readonly k: TensorProductStep;
      readonly v: TensorProductStep;
    };

export interface TensorProductStep {
  readonly a: MapStep;
  readonly b: MapStep;
  readonly heads: number;
  readonly rank: number;
  readonly size: number;
  /** The record of a map that is a bias alone, or 0. */
  readonly bias: number;
}

export interface AttentionStep {
  readonly record: number;
  readonly project: ProjectionStep;
  readonly o: MapStep;
  readonly rotation: RotationStep | undefined;
  readonly mix: MixFactors | undefined;
  /** Elements of a position's values. */
  readonly values: number;
  /** Which of the sequence's cache tables is this layer's. */
  readonly cache: number;
  readonly pageBytes: number;
}

export interface FfnStep {
  readonly record: number;
  readonly inner: MapStep;
  readonly up: MapStep | undefined;
  readonly outer: MapStep;
}

export interface ExpertsStep {
  readonly kind: "experts";
  readonly count: number;
  readonly used: number;
  readonly router: number;
  readonly logits: MapStep;
  readonly experts: readonly FfnStep[];
  readonly shared: { readonly ffn: FfnStep; readonly gate: MapStep | undefined } | undefined;
}

export type LayerFfnStep = { readonly kind: "dense"; readonly ffn: FfnStep } | ExpertsStep;

export interface LayerStep {
  readonly attentionNorm: NormStep | undefined;
  readonly attention: AttentionStep;
  readonly ffnNorm: NormStep | undefined;
  readonly ffn: LayerFfnStep;
}

export interface StackStep {
  /** Which of the sequence's cache lengths is this stack's. */
  readonly length: number;
  readonly layers: readonly LayerStep[];
  /** Layers of the stack before these: none, but where a program is one layer alone. */
  readonly from: number;
  readonly rotations: readonly RotationStep[];
  readonly width: number;
}

export type StageStep =
  | { readonly kind: "layers"; readonly stack: StackStep }
  | { readonly kind: "project"; readonly norm: NormStep | undefined; readonly map: MapStep }
  | RoutedStep;

export interface RoutedStep {
  readonly kind: "routed";
  readonly experts: readonly {
    readonly stack: StackStep;
    readonly norm: NormStep | undefined;
    readonly project: MapStep | undefined;
  }[];
}

export interface Program {
  readonly embedding: MapStep;
  readonly stages: readonly StageStep[];
  readonly headNorm: NormStep | undefined;
  readonly head: MapStep;
  readonly rotations: readonly RotationStep[];
  /** Page size of each cache table; cache lengths of each stack. */
  readonly pageBytes: readonly number[];
  readonly stacks: readonly StackStep[];
  readonly sizes: Sizes;
}

/** The largest of each width, for the arena. */
export interface Sizes {
  residual: number;
  activation: number;
  queries: number;
  keys: number;
  values: number;
  shared: number;
  latent: number;
  factors: number;
  paddedQueries: number;
  heads: number;
  headPad: number;
  paddedMixed: number;
  mixed: number;
  hidden: number;
  experts: number;
  used: number;
}

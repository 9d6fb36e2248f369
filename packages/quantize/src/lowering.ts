/**
 * What a family file gives: the fold, and for each sealed tensor where it comes from. Data only; nothing is read here.
 */
import type { Fold, LexicalTable } from "@s7l/format";
import type { View } from "./checkpoint/view.ts";
import type { Config } from "./config.ts";

/** A constant computed when sealing, from the config alone or from small tensors of the checkpoint. */
export interface Derived {
  readonly kind: "derived";
  /** What it follows from, for the record: config keys with their values (`rope_theta=10000`). */
  readonly from: readonly string[];
  /** Tensors it needs besides, read as floats. */
  readonly inputs: readonly View[];
  /** f32: bits; u64: values. As many as the sealed tensor has elements. */
  readonly compute: (inputs: readonly Float32Array[]) => readonly number[] | readonly bigint[];
}

export type Source = View | Derived;

/** The place of a sealed tensor: the numbers that `{layer}` and `{expert}` stand for in its name. */
export interface Place {
  readonly layer: number;
  readonly expert: number;
}

/** Where tensors come from, by the fold's name patterns. */
export type Rules = Readonly<Record<string, (place: Place) => Source>>;

export interface Lowered {
  /** The family's model_type. */
  readonly family: string;
  readonly fold: Fold;
  readonly lexical?: LexicalTable;
  /** Tensors that are not stored under their sealed name and in their sealed form. */
  readonly rules: Rules;
  /** Another form that a checkpoint may have; it counts where the checkpoint has its tensors. */
  readonly fused?: Rules;
  /** Tensors of a checkpoint that are known and not needed. Any other that is left over is refused. */
  readonly ignores: (name: string) => boolean;
  /** Tensors that the family's checkpoints hold and inference does not need. `{layer}` stands for each of `layers`. */
  readonly unused?: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly layers?: readonly number[];
  }[];
  /** Names, with `{layer}`, of stored tensors that the authors do not count as parameters. */
  readonly buffers?: readonly string[];
  /** What a stored vector holds before any training, by name, where that is neither zeros nor a norm's ones. */
  readonly initial?: Readonly<Record<string, readonly number[]>>;
  /** Ids that end a generation where no config says so. */
  readonly eos?: readonly number[];
  /** What people should know: where this differs from the original. */
  readonly notes?: readonly string[];
}

/** One model family. */
export interface Family {
  /** `model_type` in config.json. */
  readonly modelType: string;
  readonly lower: (config: Config) => Omit<Lowered, "family">;
}

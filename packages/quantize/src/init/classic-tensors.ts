/**
 * The tensors of a checkpoint in its family's classic layout, from the config alone: what `init` writes and what a count of
 * parameters counts. The same rules that read a checkpoint say it, so what is written is what is read.
 */
import { type Fold, tensorPlan } from "@s7l/format";
import { type View, whole } from "../checkpoint/view.ts";
import { ruleFinder } from "../lower.ts";
import type { Lowered } from "../lowering.ts";

/** What a fresh tensor holds: weights around zero, one number throughout, or given numbers. */
export type Fill = "normal" | { readonly constant: number } | { readonly values: readonly number[] };

/** A tensor of a checkpoint. */
export interface ClassicTensor {
  readonly name: string;
  /** As stored: S7's matrices are [in, out], German experts have three axes. */
  readonly shape: readonly number[];
  readonly numel: number;
  /** The component it is sealed in (of the first, where several are); absent: inference does not need it. */
  readonly component?: string;
  /** A buffer that the authors do not count as a parameter. */
  readonly buffer: boolean;
  readonly fill: Fill;
}

/** Every tensor, in ascending order of names. */
export function classicTensors(lowered: Lowered): readonly ClassicTensor[] {
  const { fold, rules, unused = [], buffers = [], initial = {} } = lowered;
  const source = ruleFinder(rules);
  const gains = gainsOf(fold);
  const isBuffer = new Set(buffers.map(withoutNumbers));
  const found = new Map<string, ClassicTensor>();
  const add = (name: string, shape: readonly number[], fill: Fill, component?: string): void => {
    if (found.has(name)) return;
    const numel = shape.reduce((n, size) => n * size, 1);
    const buffer = isBuffer.has(withoutNumbers(name));
    found.set(name, { name, shape, numel, buffer, fill, ...(component === undefined ? {} : { component }) });
  };
  for (const tensor of tensorPlan(fold)) {
    const from = source(tensor.name) ?? whole(tensor.name, ...tensor.shape);
    for (const view of inputsOf(from)) {
      const values = initial[view.tensor];
      const constant = gains.has(withoutNumbers(tensor.name)) ? 1 : 0;
      const fill = values ? { values } : tensor.shape.length > 1 ? "normal" : { constant };
      add(view.tensor, view.shape, fill, tensor.component);
    }
  }
  for (const { name, shape, layers } of unused) {
    for (const layer of layers ?? [0])
      add(name.replaceAll("{layer}", String(layer)), shape, shape.length > 1 ? "normal" : { constant: 0 });
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

const inputsOf = (source: ReturnType<ReturnType<typeof ruleFinder>>): readonly View[] =>
  source === undefined ? [] : source.kind === "view" ? [source] : source.inputs;

/** Patterns and names alike: `layers.{layer}.x` and `layers.3.x` are one. */
const withoutNumbers = (name: string): string => name.replace(/\{\w+\}|\d+/g, "#");

/** Names of the gains of every norm, which start at 1 as they multiply. */
function gainsOf(part: Fold | object): ReadonlySet<string> {
  const entries = Object.entries(part).flatMap(([key, value]): readonly string[] => {
    if (typeof value === "object" && value !== null) return [...gainsOf(value)];
    return key === "gain" && typeof value === "string" ? [withoutNumbers(value)] : [];
  });
  return new Set(entries);
}

/**
 * The key-value cache of our integer numerics (docs/numerics.md): keys are 12-bit integers kept in 16, values int8; each head
 * and position has the scale of its key and that of its value.
 */
import type { Attention, Fold, Stack } from "@s7l/format";

/** Bytes of a key's power-of-two exponent (int32). */
const KEY_SCALE = 4;
/** Bytes of a value's 24-bit magnitude and its exponent (int32 each). */
const VALUE_SCALE = 8;

/** The engine rounds head sizes up to 8. */
const pad = (size: number): number => Math.ceil(size / 8) * 8;

/** Bytes that one layer keeps for one position. */
export const cacheBytesOf = ({ kvHeads, keySize, valueSize }: Attention): number =>
  kvHeads * (2 * pad(keySize) + KEY_SCALE + pad(valueSize) + VALUE_SCALE);

/** A session's cache after `context` positions. */
export interface CacheSize {
  readonly context: number;
  /** Every position in every layer: what the engine holds, but for the rest of the last page. */
  readonly bytes: number;
  /** No more positions in a layer than its window sees: what the mechanism needs. */
  readonly visible: number;
}

/** The cache of a session of `context` positions. A position goes to one expert of a routed stage and is cached there alone. */
export function cacheSize(fold: Fold, context: number): CacheSize {
  const layers = fold.stages.flatMap((stage) => (stage.kind === "project" ? [] : attentionsOf(stage.stack)));
  const sum = (positions: (attention: Attention) => number): number =>
    layers.reduce((n, attention) => n + cacheBytesOf(attention) * positions(attention), 0);
  return {
    context,
    bytes: sum(() => context),
    visible: sum(({ window }) => Math.min(context, window ?? context)),
  };
}

const attentionsOf = ({ kinds, order }: Stack): readonly Attention[] =>
  order.flatMap((kind) => kinds[kind]?.attention ?? []);

/** Doublings that end in the fold's context, from 1024 on. */
export function contextsOf({ context }: Fold): readonly number[] {
  const lengths: number[] = [];
  for (let length = 1024; length < context; length *= 2) lengths.push(length);
  return [...lengths, context];
}

/**
 * The key-value cache of our integer numerics (docs/numerics.md): keys are 12-bit integers kept in 16, values int8; each head
 * and position has the scale of its key and that of its value.
 */
import type { Attention, Fold, Stack } from "@s7l/format";

/** Bytes of a key's power-of-two exponent (int32). */
const KEY_SCALE = 4;
/** Bytes of a value's 24-bit magnitude and its exponent (int32 each). */
const VALUE_SCALE = 8;

/** Bytes that one layer keeps for one position. */
export const cacheBytesOf = ({ kvHeads, keySize, valueSize }: Attention): number =>
  kvHeads * (2 * keySize + KEY_SCALE + valueSize + VALUE_SCALE);

/** Bytes of a session's cache after `positions` positions. Layers with a window need no more than that many. */
export function cacheBytes(fold: Fold, positions: number): number {
  return fold.stages.reduce(
    // A position goes to one expert of a routed stage and is cached there alone.
    (sum, stage) => sum + (stage.kind === "project" ? 0 : stackBytes(stage.stack, positions)),
    0,
  );
}

function stackBytes({ kinds, order }: Stack, positions: number): number {
  const perKind = kinds.map(
    ({ attention }) => cacheBytesOf(attention) * Math.min(positions, attention.window ?? positions),
  );
  return order.reduce((sum, kind) => sum + (perKind[kind] ?? 0), 0);
}

/** Doublings that end in the fold's context, from 1024 on. */
export function contextsOf({ context }: Fold): readonly number[] {
  const lengths: number[] = [];
  for (let length = 1024; length < context; length *= 2) lengths.push(length);
  return [...lengths, context];
}

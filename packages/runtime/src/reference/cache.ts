/** What the interpreter remembers of one layer, and its form between engines. */
import type { LayerState } from "../engine.ts";
import type { CachedKey, CachedValue } from "./attention.ts";

/** Keys and values of one layer: by head, then by slot. */
export interface LayerCache {
  readonly keys: CachedKey[][];
  readonly values: CachedValue[][];
}

/** A copy of a layer's cache as every engine reads it. */
export function saveLayer(cache: LayerCache): LayerState {
  const keys = cache.keys.flat();
  const values = cache.values.flat();
  return {
    slots: cache.keys[0]?.length ?? 0,
    keys: joined(
      keys.map(({ q }) => q),
      (length) => new Int16Array(length),
    ),
    // The exponent of a zero key means nothing, and engines differ in it.
    keyExponents: Int32Array.from(keys, ({ q, exponent }) => (q.some((x) => x !== 0) ? exponent : 0)),
    values: joined(
      values.map(({ q }) => q),
      (length) => new Int8Array(length),
    ),
    magnitudes: Int32Array.from(values, ({ magnitude }) => magnitude),
    valueExponents: Int32Array.from(values, ({ exponent }) => exponent),
  };
}

/** Fills an empty cache of the same heads. */
export function restoreLayer(cache: LayerCache, state: LayerState): void {
  const { slots } = state;
  const heads = cache.keys.length;
  const keySize = state.keys.length / (heads * slots);
  const valueSize = state.values.length / (heads * slots);
  for (let i = 0; i < heads * slots; i++) {
    const head = Math.floor(i / slots);
    cache.keys[head]?.push({
      q: state.keys.slice(i * keySize, (i + 1) * keySize),
      exponent: state.keyExponents[i] ?? 0,
    });
    cache.values[head]?.push({
      q: state.values.slice(i * valueSize, (i + 1) * valueSize),
      magnitude: state.magnitudes[i] ?? 0,
      exponent: state.valueExponents[i] ?? 0,
    });
  }
}

function joined<A extends Int16Array | Int8Array>(parts: readonly A[], make: (length: number) => A): A {
  const whole = make(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

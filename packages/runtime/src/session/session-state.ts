/**
 * The state of a session as bytes: what its sequence was, and all that its layers remember. It is a function of the artifact and the
 * ids alone, so every engine, thread count and cutting of the prompt saves the same bytes.
 *
 *     "s7lstate" · version u32 · positions u32 · abi hash 32 · root 32 · ids u32 [positions]
 *     of each attention layer, in the order of the fold, expert after expert in a routed stage, with the slots that it has:
 *       keys i16 [kvHeads, slots, keySize] · exponents i32 [kvHeads, slots]
 *       values i8 [kvHeads, slots, valueSize] · magnitudes i32 [kvHeads, slots] · exponents i32 [kvHeads, slots]
 *     SHA-256 of all before
 *
 * Little-endian, nothing between. Routes and text are not in it: they follow from the ids.
 */
import { concatBytes, equalBytes, HASH_SIZE, sha256, toHex } from "@s7l/format";
import type { LayerShape, LayerState } from "../engine.ts";
import { SessionStateError } from "../errors.ts";
import { littleEndian } from "../receipt/logits-digest.ts";

const MAGIC = new TextEncoder().encode("s7lstate");
const VERSION = 1;
const HEAD_SIZE = MAGIC.length + 8 + 2 * HASH_SIZE;
/** Bounds of what attention makes: see CachedKey and CachedValue. */
const MAX_KEY = 2047;
const MAX_VALUE = 127;
const MAX_MAGNITUDE = 1 << 24;
/** No exponent comes near it, and sums of three of them stay within 32 bits. */
const MAX_EXPONENT = 1 << 28;

/** What a state is bound to. */
export interface StateBinding {
  readonly root: Uint8Array;
  readonly abiHash: Uint8Array;
}

/** A state's first part, which says what the rest must be. */
export interface StateHead extends StateBinding {
  readonly ids: readonly number[];
}

/** The one encoding of a state. */
export function encodeState({ root, abiHash, ids }: StateHead, layers: readonly LayerState[]): Uint8Array {
  const body = concatBytes(
    MAGIC,
    littleEndian(Int32Array.of(VERSION, ids.length)),
    abiHash,
    root,
    littleEndian(Int32Array.from(ids)),
    ...layers.flatMap(({ keys, keyExponents, values, magnitudes, valueExponents }) =>
      [keys, keyExponents, values, magnitudes, valueExponents].map((numbers) => littleEndian(numbers)),
    ),
  );
  return concatBytes(body, sha256(body));
}

/** The bytes of a state that nobody else can write to while they are read. Throws SessionStateError `state-form`. */
export function ownBytes(state: Uint8Array): Uint8Array {
  if (!(state instanceof Uint8Array)) refuse("state-form", "these bytes are no session state: give what save() gave");
  return state.buffer instanceof ArrayBuffer ? state : concatBytes(state);
}

/**
 * Reads the first part of a state that is whole and belongs to this model. Throws SessionStateError `state-form`, `state-digest`,
 * `state-abi`, `state-root` or `state-content`.
 */
export function readStateHead(
  state: Uint8Array,
  bound: StateBinding,
  { context, vocab }: { readonly context: number; readonly vocab: number },
): StateHead {
  if (!equalBytes(state.subarray(0, MAGIC.length), MAGIC))
    refuse("state-form", "these bytes are no session state: give what save() gave");
  if (state.length < HEAD_SIZE + HASH_SIZE)
    refuse("state-form", `the session state ends after ${state.length} bytes, within its head`);
  const [version, positions = 0] = words(state, MAGIC.length, 2);
  if (version !== VERSION)
    refuse("state-form", `the session state has version ${version}; this program reads version ${VERSION}`);
  const end = state.length - HASH_SIZE;
  if (!equalBytes(sha256(state.subarray(0, end)), state.subarray(end)))
    refuse("state-digest", "the session state is damaged or cut off: its SHA-256 is another than it says");
  const abiHash = state.slice(MAGIC.length + 8, MAGIC.length + 8 + HASH_SIZE);
  const root = state.slice(MAGIC.length + 8 + HASH_SIZE, HEAD_SIZE);
  if (!equalBytes(root, bound.root))
    refuse("state-root", `the session state is of the artifact ${toHex(root)}, this one is ${toHex(bound.root)}`);
  if (!equalBytes(abiHash, bound.abiHash))
    refuse(
      "state-abi",
      `the session state was computed with the numerics ${toHex(abiHash)}, which are not this artifact's`,
    );
  if (positions > context || HEAD_SIZE + 4 * positions > end)
    refuse("state-content", `the session state says it has ${positions} positions; ${context} are allowed`);
  const ids = words(state, HEAD_SIZE, positions);
  const stray = ids.findIndex((id) => id >= vocab);
  if (stray >= 0) refuse("state-content", `id ${ids[stray]} is not one of the model's ${vocab}`, `position ${stray}`);
  return { root, abiHash, ids };
}

/**
 * Reads what the layers remember; `shapes` and `slots`, of each layer, say what there must be. Throws SessionStateError
 * `state-content` where that is not exactly what there is, or where a number is one that no engine makes.
 */
export function readStateLayers(
  state: Uint8Array,
  { ids }: StateHead,
  shapes: readonly (LayerShape & { readonly slots: number })[],
): readonly LayerState[] {
  const start = HEAD_SIZE + 4 * ids.length;
  const needed = shapes.reduce((sum, shape) => sum + layerBytes(shape), start) + HASH_SIZE;
  if (state.length !== needed)
    refuse("state-content", `the session state has ${state.length} bytes, where ${needed} follow from its ids`);
  let at = start;
  const take = (size: number): ArrayBuffer => {
    const piece = new Uint8Array(size);
    piece.set(state.subarray(at, at + size));
    at += size;
    return piece.buffer;
  };
  return shapes.map(({ kvHeads, keySize, valueSize, slots }, i) => {
    const count = kvHeads * slots;
    const layer: LayerState = {
      slots,
      keys: native(new Int16Array(take(2 * count * keySize))),
      keyExponents: native(new Int32Array(take(4 * count))),
      values: native(new Int8Array(take(count * valueSize))),
      magnitudes: native(new Int32Array(take(4 * count))),
      valueExponents: native(new Int32Array(take(4 * count))),
    };
    assertLayer(layer, { kvHeads, keySize, valueSize }, `layer ${i}`);
    return layer;
  });
}

const layerBytes = ({ kvHeads, keySize, valueSize, slots }: LayerShape & { readonly slots: number }): number =>
  kvHeads * slots * (2 * keySize + valueSize + 12);

function assertLayer(layer: LayerState, { keySize, valueSize }: LayerShape, at: string): void {
  const { keys, keyExponents, values, magnitudes, valueExponents } = layer;
  if (keys.some((q) => q < -MAX_KEY || q > MAX_KEY))
    refuse("state-content", `a key is beyond ${MAX_KEY}, which no engine makes`, at);
  if (values.some((q) => q < -MAX_VALUE)) refuse("state-content", "a value is -128, which no engine makes", at);
  if (magnitudes.some((m) => m < 0 || m > MAX_MAGNITUDE))
    refuse("state-content", `a value's magnitude is beyond ${MAX_MAGNITUDE}, which no engine makes`, at);
  for (const exponents of [keyExponents, valueExponents]) {
    if (exponents.some((e) => e < -MAX_EXPONENT || e > MAX_EXPONENT))
      refuse("state-content", `an exponent is beyond ${MAX_EXPONENT}, which no engine makes`, at);
  }
  const isZero = (numbers: Int16Array | Int8Array, i: number, size: number): boolean =>
    numbers.subarray(i * size, (i + 1) * size).every((q) => q === 0);
  // Engines differ in what they keep beside a zero, and so all save the same.
  for (const [i, magnitude] of magnitudes.entries()) {
    const strayKey = keyExponents[i] !== 0 && isZero(keys, i, keySize);
    const strayValue = magnitude === 0 && (valueExponents[i] !== 0 || !isZero(values, i, valueSize));
    if (strayKey || strayValue) refuse("state-content", "a zero has an exponent or digits, which no engine saves", at);
  }
}

/** Unsigned words from a place; a copy. */
function words(bytes: Uint8Array, at: number, count: number): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 4 * count);
  return Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true));
}

/** Numbers read as little-endian, in this host's order. The same swap serves both ways. */
function native<A extends Int32Array | Int16Array | Int8Array>(numbers: A): A {
  const bytes = littleEndian(numbers);
  if (bytes.buffer !== numbers.buffer) new Uint8Array(numbers.buffer).set(bytes);
  return numbers;
}

function refuse(code: SessionStateError["code"], message: string, at?: string): never {
  throw new SessionStateError(code, message, at);
}

/**
 * A page of the key-value cache, read and written slot by slot. assembly/heads.ts lays it out, for the kernels' sake; what
 * goes from engine to engine has an order of its own, `LayerState`.
 */
import type { LayerShape, LayerState } from "../engine.ts";
import type { Heap } from "./heap.ts";
import * as ATTENTION from "./layout/attention.ts";
import { NOTHING, PAGE_SLOTS } from "./layout/sizes.ts";

/** The shape in an attention record. */
export function shapeOf(heap: Heap, record: number): LayerShape {
  const word = (field: number): number => heap.i32[record / 4 + field] ?? 0;
  return {
    kvHeads: word(ATTENTION.kvHeads),
    keySize: word(ATTENTION.keySize),
    valueSize: word(ATTENTION.valueSize),
  };
}

/** Room for so many slots. */
export function emptyState({ kvHeads, keySize, valueSize }: LayerShape, slots: number): LayerState {
  const count = kvHeads * slots;
  return {
    slots,
    keys: new Int16Array(count * keySize),
    keyExponents: new Int32Array(count),
    values: new Int8Array(count * valueSize),
    magnitudes: new Int32Array(count),
    valueExponents: new Int32Array(count),
  };
}

/** Copies slots [from, to), which lie in this page, into a layer's state. */
export function readPage(page: Uint8Array, shape: LayerShape, state: LayerState, from: number, to: number): void {
  const { view, places } = open(page, shape, state.slots, from, to);
  for (const { i, key, value, numbers } of places) {
    let any = 0;
    for (let d = 0; d < shape.keySize; d++) {
      const q = view.getInt16(key + keyStep(d), true);
      state.keys[i * shape.keySize + d] = q;
      any |= q;
    }
    // The exponent of a zero key means nothing, and engines differ in it.
    state.keyExponents[i] = any === 0 ? 0 : view.getInt32(numbers, true);
    for (let d = 0; d < shape.valueSize; d++)
      state.values[i * shape.valueSize + d] = view.getInt8(value + valueStep(d));
    const magnitude = view.getInt32(numbers + 4 * PAGE_SLOTS, true);
    state.magnitudes[i] = magnitude;
    state.valueExponents[i] = magnitude === 0 ? 0 : view.getInt32(numbers + 8 * PAGE_SLOTS, true);
  }
}

/** Copies slots [from, to) of a layer's state into the page where they lie. */
export function writePage(page: Uint8Array, shape: LayerShape, state: LayerState, from: number, to: number): void {
  // A page that another sequence gave back still holds its slots; sizes are padded with zeros.
  page.fill(0);
  const { view, places } = open(page, shape, state.slots, from, to);
  for (const { i, key, value, numbers } of places) {
    for (let d = 0; d < shape.keySize; d++)
      view.setInt16(key + keyStep(d), state.keys[i * shape.keySize + d] ?? 0, true);
    view.setInt32(numbers, state.keyExponents[i] ?? 0, true);
    for (let d = 0; d < shape.valueSize; d++)
      view.setInt8(value + valueStep(d), state.values[i * shape.valueSize + d] ?? 0);
    const magnitude = state.magnitudes[i] ?? 0;
    view.setInt32(numbers + 4 * PAGE_SLOTS, magnitude, true);
    view.setInt32(numbers + 8 * PAGE_SLOTS, magnitude === 0 ? NOTHING : (state.valueExponents[i] ?? 0), true);
  }
}

/** Where each head's share of each slot begins: its key, its value, its three numbers; and its index in a state. */
function open(page: Uint8Array, { kvHeads, keySize, valueSize }: LayerShape, slots: number, from: number, to: number) {
  const keyPad = pad8(keySize);
  const valuePad = pad8(valueSize);
  const headBytes = page.length / kvHeads;
  const places = Array.from({ length: kvHeads * Math.max(0, to - from) }, (_, n) => {
    const head = n % kvHeads;
    const slot = from + Math.floor(n / kvHeads);
    const at = slot % PAGE_SLOTS;
    const start = head * headBytes;
    return {
      i: head * slots + slot,
      key: start + (at >> 4) * keyPad * 32 + (at & 15) * 4,
      value: start + PAGE_SLOTS * 2 * keyPad + (at >> 5) * valuePad * 32 + (at & 30) * 8 + (at & 1),
      numbers: start + PAGE_SLOTS * (2 * keyPad + valuePad) + at * 4,
    };
  });
  return { view: new DataView(page.buffer, page.byteOffset, page.byteLength), places };
}

/** Pairs of dims of sixteen slots lie side by side. */
const keyStep = (d: number): number => (d >> 1) * 64 + (d & 1) * 2;
/** Eight dims of sixteen pairs of slots lie side by side. */
const valueStep = (d: number): number => (d >> 3) * 256 + (d & 7) * 2;
const pad8 = (n: number): number => Math.ceil(n / 8) * 8;

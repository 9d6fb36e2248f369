/** The bytes of a fresh tensor, in blocks. */
import type { ClassicTensor } from "./classic-tensors.ts";
import { FLOAT_BYTES, type FloatType, floatBits } from "./element.ts";
import { BLOCK, blockState, fillFromTable, normalTable } from "./random.ts";

/** What decides the weights of a fresh checkpoint. */
export interface FillOptions {
  /** An integer of at most 53 bits. */
  readonly seed: number;
  /** Standard deviation of weights (`initializer_range`). */
  readonly deviation: number;
  readonly type: FloatType;
}

/** Makes the bytes of tensors; the table of values is made once. Host order is little-endian wherever JavaScript runs. */
export function tensorFiller({ seed, deviation, type }: FillOptions): (tensor: ClassicTensor) => Iterable<Uint8Array> {
  const Elements = FLOAT_BYTES[type] === 2 ? Uint16Array : Uint32Array;
  const table = new Elements(Array.from(normalTable(deviation), (value) => floatBits(value, type)));
  const bytesOf = (elements: Uint16Array | Uint32Array): Uint8Array => new Uint8Array(elements.buffer);

  return function* bytesOfTensor({ name, numel, fill }) {
    for (let start = 0, block = 0; start < numel; start += BLOCK, block++) {
      const elements = new Elements(Math.min(BLOCK, numel - start));
      if (fill === "normal") {
        fillFromTable(elements, table, blockState(seed, name, block));
      } else if ("constant" in fill) elements.fill(floatBits(fill.constant, type));
      else elements.set(fill.values.slice(start, start + elements.length).map((value) => floatBits(value, type)));
      yield bytesOf(elements);
    }
  };
}

import { describe, expect, test } from "vitest";
import type { ClassicTensor, Fill } from "./classic-tensors.ts";
import { floatBits } from "./element.ts";
import { tensorFiller } from "./fill.ts";
import { BLOCK, blockState, fillFromTable, normalTable } from "./random.ts";

const tensor = (numel: number, fill: Fill): ClassicTensor => ({
  name: "t",
  shape: [numel],
  numel,
  buffer: false,
  fill,
});
const options = { seed: 11, deviation: 0.5, type: "BF16" } as const;

/** All elements, as the 16 bits of each. */
function elementsOf(numel: number, fill: Fill): Uint16Array {
  const blocks = [...tensorFiller(options)(tensor(numel, fill))];
  return new Uint16Array(Uint8Array.from(Buffer.concat(blocks)).buffer);
}

describe("tensorFiller", () => {
  test("gives each block of 2^20 elements its own generator", () => {
    const table = Uint16Array.from(normalTable(0.5), (value) => floatBits(value, "BF16"));
    const [first, second] = [new Uint16Array(BLOCK), new Uint16Array(5)];
    fillFromTable(first, table, blockState(11, "t", 0));
    fillFromTable(second, table, blockState(11, "t", 1));
    const elements = elementsOf(BLOCK + 5, "normal");
    expect(elements).toHaveLength(BLOCK + 5);
    expect(Buffer.from(elements.subarray(0, BLOCK)).equals(Buffer.from(first))).toBe(true);
    expect(elements.subarray(BLOCK)).toEqual(second);
  });

  test("fills with a constant, and with values", () => {
    expect(elementsOf(3, { constant: 1 })).toEqual(Uint16Array.of(0x3f80, 0x3f80, 0x3f80));
    expect(elementsOf(2, { values: [-1, 0.02] })).toEqual(Uint16Array.of(0xbf80, 0x3ca4));
  });

  test("makes nothing of an empty tensor", () => {
    expect(elementsOf(0, "normal")).toHaveLength(0);
  });

  test("makes F32 of four bytes", () => {
    const [block] = [...tensorFiller({ ...options, type: "F32" })(tensor(1, { constant: 0.1 }))];
    expect(block).toEqual(Uint8Array.of(0xcd, 0xcc, 0xcc, 0x3d));
  });
});

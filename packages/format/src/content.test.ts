import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasMinus128, hasOnlyZeros, scanContent } from "./content.ts";
import type { Dtype, PlannedTensor } from "./fold/tensor-plan.ts";
import { spanLayout } from "./span.ts";

const planned = (dtype: Dtype, shape: readonly number[]): PlannedTensor => ({
  name: "t",
  dtype,
  shape,
  component: "trunk",
});
const MATRIX = planned("i8", [3, 5]);
const ROUTER = planned("i8x2", [2, 3]);
const VECTOR = planned("f32", [3]);
const TURNS = planned("u64", [3]);

/** A legal span: rows of ones with scale 1, but for the last row, which is zero. */
function legal(tensor: PlannedTensor): Uint8Array {
  const { size, plane, scales } = spanLayout(tensor);
  const span = new Uint8Array(size);
  const view = new DataView(span.buffer);
  const [rows = 0, columns = 1] = tensor.shape;
  if (tensor.dtype === "f32") for (let i = 0; i < rows; i++) view.setFloat32(4 * i, -0.5, true);
  if (tensor.dtype === "u64") span.fill(0xff, 0, 8 * rows);
  if (tensor.dtype === "i8" || tensor.dtype === "i8x2") {
    for (let row = 0; row + 1 < rows; row++) {
      span.fill(1, row * columns, (row + 1) * columns);
      if (plane) span.fill(0x81, plane + row * columns, plane + (row + 1) * columns);
      view.setFloat32(scales + 4 * row, 1, true);
    }
  }
  return span;
}

/** Scans a span in pieces of some size. */
function scan(tensor: PlannedTensor, span: Uint8Array, piece = span.length || 1): void {
  const scanning = scanContent(tensor);
  for (let at = 0; at < span.length; at += piece) scanning.update(span.subarray(at, at + piece));
  scanning.finish();
}

const float =
  (bits: number) =>
  (span: Uint8Array, at: number): void =>
    new DataView(span.buffer).setUint32(at, bits, true);
const byte =
  (value: number) =>
  (span: Uint8Array, at: number): void => {
    span[at] = value;
  };

describe("scanContent", () => {
  test.each([MATRIX, ROUTER, VECTOR, TURNS])("takes a legal $dtype span in pieces of any size", (tensor) => {
    for (let piece = 1; piece <= spanLayout(tensor).size; piece++)
      expect(() => scan(tensor, legal(tensor), piece)).not.toThrow();
  });

  test.each([
    ["-128 in the first row", MATRIX, 0, byte(0x80), "[0, 0]"],
    ["-128 in the second row", MATRIX, 9, byte(0x80), "[1, 4]"],
    ["-128 in the first plane", ROUTER, 1, byte(0x80), "[0, 1]"],
    ["-128 in the second plane", ROUTER, 32 + 2, byte(0x80), "[0, 2]"],
    ["padding after int8 data", MATRIX, 15, byte(1), "byte 15"],
    ["padding after the first plane", ROUTER, 31, byte(1), "byte 31"],
    ["padding after the second plane", ROUTER, 63, byte(1), "byte 63"],
    ["padding after the scales", MATRIX, 32 + 12, byte(1), "byte 44"],
    ["the last byte of padding", ROUTER, 95, byte(0x80), "byte 95"],
    ["padding after a vector", VECTOR, 12, byte(1), "byte 12"],
    ["padding after turns", TURNS, 31, byte(1), "byte 31"],
    ["a scale of NaN", MATRIX, 32, float(0x7fc00000), "row 0"],
    ["an infinite scale", MATRIX, 36, float(0x7f800000), "row 1"],
    ["a negative scale", MATRIX, 32, float(0xbf800000), "row 0"],
    ["a negative NaN as a scale", MATRIX, 32, float(0xffc00000), "row 0"],
    ["a scale of -0 above a row of zeros", MATRIX, 40, float(0x80000000), "row 2"],
    ["a subnormal scale", MATRIX, 32, float(0x007fffff), "row 0"],
    ["a scale of zero above a row that is not", MATRIX, 32, float(0), "row 0"],
    ["a scale above a row of zeros", MATRIX, 40, float(0x3f800000), "row 2"],
    ["a scale above two planes of zeros", ROUTER, 64 + 4, float(0x3f800000), "row 1"],
    ["NaN in a vector", VECTOR, 8, float(0x7fc00000), "[2]"],
    ["infinity in a vector", VECTOR, 0, float(0xff800000), "[0]"],
  ] as const)("refuses %s wherever the pieces are cut", (_, tensor, at, change, place) => {
    const span = legal(tensor);
    change(span, at);
    for (const piece of [1, 3, 32, span.length]) {
      expect(() => scan(tensor, span, piece)).toThrow(expect.objectContaining({ code: "content", at: `t ${place}` }));
    }
  });

  test("takes a router's row that is zero in one plane only", () => {
    const span = legal(ROUTER);
    span.fill(0, 0, 3);
    expect(() => scan(ROUTER, span)).not.toThrow();
  });

  test("refuses a span that is too short or too long", () => {
    const span = legal(MATRIX);
    expect(() => scan(MATRIX, span.subarray(0, -1))).toThrow("ends after 63 of 64 bytes");
    expect(() => scan(MATRIX, Uint8Array.of(...span, 0))).toThrow("longer than its 64 bytes");
    expect(() => scan(MATRIX, Uint8Array.of(...span, 0), 60)).toThrow("longer than its 64 bytes");
    expect(() => scan(MATRIX, new Uint8Array())).toThrow("ends after 0");
  });

  test("takes subnormal and negative zero reals in vectors", () => {
    const span = legal(VECTOR);
    float(1)(span, 0);
    float(0x80000000)(span, 4);
    expect(() => scan(VECTOR, span)).not.toThrow();
  });
});

describe("hasMinus128", () => {
  test("finds 0x80 and nothing else, at any alignment", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(3), (bytes, shift) => {
        const memory = new Uint8Array(shift + bytes.length);
        memory.set(bytes, shift);
        expect(hasMinus128(memory.subarray(shift))).toBe(bytes.includes(0x80));
      }),
      { numRuns: 2000 },
    );
  });

  test("is not misled by any byte beside a zero, as plain haszero tests are", () => {
    for (let a = 0; a < 256; a++) {
      for (const b of [0x00, 0x01, 0x7f, 0x81, 0xff]) {
        expect(hasMinus128(Uint8Array.of(a, b, b, a))).toBe(a === 0x80);
      }
    }
  });
});

describe("hasOnlyZeros", () => {
  test("sees any one byte of a range, and none beside it", () => {
    for (let length = 0; length < 5; length++)
      for (let at = -1; at <= length; at++) {
        const bytes = new Uint8Array(8);
        bytes[1 + at] = 1;
        expect(hasOnlyZeros(bytes, 1, 1 + length)).toBe(at < 0 || at === length);
      }
  });
});

describe("a row", () => {
  const wide = planned("i8", [3, 23]);
  const { scales, size } = spanLayout(wide);

  /** A span of zeros, at some offset in its buffer, but for one byte. */
  function spanWith(at: number, shift: number): Uint8Array {
    const span = new Uint8Array(size + shift).subarray(shift);
    span[at] = 1;
    return span;
  }

  test("is alive by any one of its bytes, wherever it lies in memory and however it is cut", () => {
    for (let at = 0; at < 3 * 23; at++)
      for (let shift = 0; shift < 4; shift++)
        for (const piece of [size, 1, 7, 24]) {
          const row = Math.floor(at / 23);
          const span = spanWith(at, shift);
          expect(() => scan(wide, span, piece)).toThrow(`row ${row}: the scale is zero, but the row is not`);
          new DataView(span.buffer, span.byteOffset).setFloat32(scales + 4 * row, 1, true);
          expect(() => scan(wide, span, piece)).not.toThrow();
          new DataView(span.buffer, span.byteOffset).setFloat32(scales + 4 * ((row + 1) % 3), 1, true);
          expect(() => scan(wide, span, piece)).toThrow(`row ${(row + 1) % 3}: the row is zero, but its scale is not`);
        }
  });

  test.each([
    [0x80000000, "the scale is -0"],
    [0x80000001, "the scale is negative"],
    [0xbf800000, "the scale is negative"],
    [0xff800000, "the scale is negative"],
    [0x7f800000, "the scale is not finite"],
    [0x7fc00000, "the scale is not finite"],
    [0x00000001, "the scale is subnormal"],
    [0x007fffff, "the scale is subnormal"],
  ])("of the scale %d is refused: %s", (bits, message) => {
    const span = spanWith(0, 0);
    new DataView(span.buffer).setUint32(scales, bits, true);
    expect(() => scan(wide, span)).toThrow(message);
  });

  test.each([0x00800000, 0x7f7fffff])("may have the scale %d", (bits) => {
    const span = spanWith(0, 0);
    new DataView(span.buffer).setUint32(scales, bits, true);
    expect(() => scan(wide, span)).not.toThrow();
  });
});

import { describe, expect, test } from "vitest";
import { floatsOf } from "../../test/wasm-opcodes.ts";
import { decodeModule } from "./kernels.ts";
import * as compiled from "./wasm-bytes.generated.ts";

/** A module of one function with these parameters and this body. */
function moduleOf(parameters: readonly number[], body: readonly number[]): Uint8Array<ArrayBuffer> {
  const types = [1, 0x60, parameters.length, ...parameters, 0];
  const code = [0, ...body, 0x0b];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, types.length, ...types],
    ...[3, 2, 1, 0],
    ...[5, 3, 1, 0, 1],
    ...[10, code.length + 2, 1, code.length, ...code],
  ]);
}

const I32 = 0x7f;
const F32 = 0x7d;
const F64 = 0x7c;
const zero = [0x41, 0];
const lanes = [0xfd, 0x0c, ...Array<number>(16).fill(0)];

describe("the shipped kernels", () => {
  test.each(Object.entries(compiled))("of %s have no floating-point type or instruction", (_, base64) => {
    expect(floatsOf(decodeModule(base64))).toEqual([]);
  });
});

describe("the reader of opcodes", () => {
  test.each([
    ["an f32 constant", [], [0x43, 0, 0, 0x80, 0x3f, 0x1a]],
    ["an f64 addition", [F64], [0x20, 0, 0x20, 0, 0xa0, 0x1a]],
    ["an f32 load", [], [...zero, 0x2a, 2, 0, 0x1a]],
    ["an f64 store", [F64], [...zero, 0x20, 0, 0x39, 3, 0]],
    ["a conversion to f32", [I32], [0x20, 0, 0xb2, 0x1a]],
    ["a reinterpretation", [F32], [0x20, 0, 0xbc, 0x1a]],
    ["a saturating truncation", [F32], [0x20, 0, 0xfc, 0, 0x1a]],
    ["four f32 lanes added", [], [...lanes, ...lanes, 0xfd, 0xe4, 1, 0x1a]],
    ["four f32 lanes rounded", [], [...lanes, 0xfd, 0x6a, 0x1a]],
    ["lanes converted to f32", [], [...lanes, 0xfd, 0xfa, 1, 0x1a]],
    ["an f32 splat", [F32], [0x20, 0, 0xfd, 0x13, 0x1a]],
    ["a parameter of type f32 alone", [F32], []],
  ])("finds %s", (_, parameters, body) => {
    const module = moduleOf(parameters, body);
    expect(WebAssembly.validate(module)).toBe(true);
    expect(floatsOf(module).length).toBeGreaterThan(0);
  });

  test.each([
    ["integer arithmetic", [I32], [0x20, 0, 0x20, 0, 0x6a, 0x1a]],
    ["integer lanes", [], [...lanes, ...lanes, 0xfd, 0xba, 1, 0x1a]],
    ["blocks and branches", [I32], [0x02, 0x40, 0x20, 0, 0x0d, 0, 0x0b]],
  ])("finds nothing in %s", (_, parameters, body) => {
    const module = moduleOf(parameters, body);
    expect(WebAssembly.validate(module)).toBe(true);
    expect(floatsOf(module)).toEqual([]);
  });

  test.each([
    ["no module", Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)],
    ["an opcode that does not exist", moduleOf([], [0xff])],
    ["a module cut short", moduleOf([], []).subarray(0, 20)],
  ])("refuses %s", (_, bytes) => {
    expect(() => floatsOf(bytes)).toThrow();
  });
});

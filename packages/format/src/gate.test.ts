import { describe, expect, test } from "vitest";
import { GATE_SIZE, readGate, strayGateByte, writeGate } from "./gate.ts";
import { toHex } from "./hash.ts";

const hashes = { abiHash: new Uint8Array(32).fill(0xaa), policyHash: new Uint8Array(32).fill(0xbb) };

describe("the gate", () => {
  test("is STX, U+0002, the four phases, zeros and two digests", () => {
    expect(toHex(writeGate(hashes))).toBe(
      `53545802${"01020304"}${"00".repeat(24)}${"aa".repeat(32)}${"bb".repeat(32)}`,
    );
  });

  test("is read as it was written", () => {
    expect(readGate(writeGate(hashes))).toMatchObject(hashes);
    expect(strayGateByte(writeGate(hashes))).toBe(-1);
  });

  test("shows a reserved byte that is set", () => {
    const bytes = writeGate(hashes);
    bytes[8] = 1;
    expect(strayGateByte(bytes)).toBe(8);
  });

  test("refuses another length", () => {
    expect(() => readGate(new Uint8Array(GATE_SIZE + 1))).toThrow(expect.objectContaining({ code: "header" }));
  });
});

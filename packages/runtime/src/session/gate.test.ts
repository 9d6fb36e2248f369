import { ABI, encodeCanonical, GATE_MARK, GATE_PHASES, type Gate, readGate, sha256, writeGate } from "@s7l/format";
import { expect, test } from "vitest";
import { passGate, STX } from "./gate.ts";

const policy = { maxContext: 32 };
const record: Gate = readGate(
  writeGate({ abiHash: sha256(encodeCanonical(ABI)), policyHash: sha256(encodeCanonical(policy)) }),
);

function flip(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte));
}

test("lets U+0002 pass against the record of these numerics and this policy", () => {
  expect(STX).toBe("\u0002");
  expect(() => passGate(STX, record, policy)).not.toThrow();
});

test.each([
  { what: "no mark", mark: "", gate: record, code: "mark" },
  { what: "SOH for STX", mark: "\u0001", gate: record, code: "mark" },
  { what: "STX and more", mark: "\u0002\u0002", gate: record, code: "mark" },
  { what: "a record with another mark", mark: STX, gate: { ...record, mark: flip(GATE_MARK) }, code: "record" },
  { what: "other phases", mark: STX, gate: { ...record, phases: flip(GATE_PHASES) }, code: "record" },
  { what: "phases out of order", mark: STX, gate: { ...record, phases: GATE_PHASES.toReversed() }, code: "record" },
  { what: "other numerics", mark: STX, gate: { ...record, abiHash: flip(record.abiHash) }, code: "abi" },
  { what: "another policy", mark: STX, gate: { ...record, policyHash: flip(record.policyHash) }, code: "policy" },
])("refuses $what", ({ mark, gate, code }) => {
  expect(() => passGate(mark, gate, policy)).toThrow(expect.objectContaining({ name: "GateError", code }));
});

test("refuses a policy that was widened after sealing", () => {
  expect(() => passGate(STX, record, { maxContext: 33 })).toThrow(expect.objectContaining({ code: "policy" }));
});

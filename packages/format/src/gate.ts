/**
 * STX, the control gate (CM-1): 96 bytes that stand before any inference. U+0002 opens the body of control, the four phases
 * name the order in which a session passes, and the digests bind what runs (ABI) and what may run (POLICY).
 */
import { fixedRecord, raw } from "./fields.ts";
import { HASH_SIZE } from "./hash.ts";

export const GATE_SIZE = 96;
/** `@control.body.begin`. */
export const GATE_MARK = /* @__PURE__ */ Uint8Array.of(0x53, 0x54, 0x58, 0x02);
/** SOH, STX, ETX, EOT. */
export const GATE_PHASES = /* @__PURE__ */ Uint8Array.of(0x01, 0x02, 0x03, 0x04);

const gateRecord = /* @__PURE__ */ fixedRecord("STX", GATE_SIZE, {
  mark: raw(0, 4),
  phases: raw(4, 4),
  abiHash: raw(32, HASH_SIZE),
  policyHash: raw(64, HASH_SIZE),
});

/** The gate's fields as they stand in the file. */
export type Gate = ReturnType<typeof gateRecord.read>;

/** Reads 96 bytes. Throws FormatError `header` for another length. */
export function readGate(bytes: Uint8Array): Gate {
  return gateRecord.read(bytes);
}

/** Offset of the first reserved byte that is not zero, or -1. */
export function strayGateByte(bytes: Uint8Array): number {
  return gateRecord.strayByte(bytes);
}

/** The gate's bytes. */
export function writeGate(hashes: Pick<Gate, "abiHash" | "policyHash">): Uint8Array {
  return gateRecord.write({ mark: GATE_MARK, phases: GATE_PHASES, ...hashes });
}

/**
 * V2, control gate: the CM-1 record is present, single and first in its section, and its phases are SOH → STX → ETX → EOT.
 */
import {
  equalBytes,
  GATE_MARK,
  GATE_PHASES,
  GATE_SIZE,
  type Gate,
  readGate,
  type SectionEntry,
  type SectionName,
  strayGateByte,
} from "@s7l/format";
import { refuse } from "../errors.ts";

/** There is a gate of the right size: one record and nothing beside it. */
export function gatePresent(table: ReadonlyMap<SectionName, SectionEntry>): void {
  const entry = table.get("STX");
  if (!entry) refuse("gate-missing", "section STX, the control gate, is missing", "STX");
  if (entry.size !== GATE_SIZE)
    refuse("gate", `section STX has ${entry.size} bytes; the one gate record has ${GATE_SIZE}`, "STX");
}

/** The gate's mark and phases. */
export function legalGate(bytes: Uint8Array): Gate {
  const gate = readGate(bytes);
  if (!equalBytes(gate.mark, GATE_MARK)) refuse("gate", "the gate does not begin with STX and U+0002", "STX");
  if (!equalBytes(gate.phases, GATE_PHASES)) refuse("gate", "the gate's phases are not SOH, STX, ETX, EOT", "STX");
  const stray = strayGateByte(bytes);
  if (stray >= 0) refuse("gate", `reserved byte ${stray} of the gate is not zero`, `STX+${stray}`);
  return gate;
}

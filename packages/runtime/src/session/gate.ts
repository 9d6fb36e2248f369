/**
 * The control gate (CM-1). A session passes four phases in one direction, SOH → STX → ETX → EOT, and can compute in STX alone.
 * It enters STX by U+0002, `@control.body.begin`, held against the record that the artifact seals in EDGE.
 */
import {
  ABI,
  encodeCanonical,
  equalBytes,
  GATE_MARK,
  GATE_PHASES,
  type Gate,
  type Policy,
  sha256,
  toHex,
} from "@s7l/format";
import { GateError } from "../errors.ts";

/** U+0002, start of text: `@control.body.begin`. */
export const STX = "\u0002";

/** Where a session stands: heading, body, body ended, transmission ended. */
export type Phase = "SOH" | "STX" | "ETX" | "EOT";

/**
 * Passes when the mark is U+0002, the record is STX with its four phases, and it binds this runtime's numerics and exactly
 * the policy that the session runs under. Verify has proved the record to be the sealed one; that it also names what
 * runs here, only the runtime can say. Throws GateError.
 */
export function passGate(mark: string, record: Gate, policy: Policy): void {
  if (mark !== STX)
    throw new GateError("mark", `a session begins with U+0002 (STX), not ${JSON.stringify(mark)}: call begin(STX)`);
  if (!equalBytes(record.mark, GATE_MARK) || !equalBytes(record.phases, GATE_PHASES))
    throw new GateError("record", "the sealed control record is not STX with the phases SOH, STX, ETX, EOT", "STX");
  if (!equalBytes(record.abiHash, sha256(encodeCanonical(ABI))))
    throw new GateError(
      "abi",
      `the control record binds numerics ${toHex(record.abiHash)}; this runtime has ${ABI.name} ${ABI.version}`,
      "STX.abiHash",
    );
  if (!equalBytes(record.policyHash, sha256(encodeCanonical(policy))))
    throw new GateError("policy", "the control record binds another policy than the artifact's", "STX.policyHash");
}

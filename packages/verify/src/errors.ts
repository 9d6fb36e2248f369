import { S7lError } from "@s7l/format";

/** The rules of the seed, in order. */
export const RULES = ["V0", "V1", "V2", "V3", "V4", "V5", "V6", "V7"] as const;
export type RuleId = (typeof RULES)[number];

/** What can be wrong with an artifact. Callers branch on these; they are never renamed. */
export type VerifyErrorCode =
  // V0: there is one encoding
  | "file-size"
  | "reserved-byte"
  | "section-order"
  | "section-place"
  | "padding"
  | "not-canonical"
  | "tensor-order"
  | "tensor-place"
  | "tensor-content"
  // V1: the program is known, legal, and has exactly its tensors
  | "not-an-artifact"
  | "version"
  | "header"
  | "limit"
  | "section-missing"
  | "schema"
  | "fold"
  | "tensor-plan"
  | "policy"
  | "vocabulary"
  | "routing"
  // V2: the gate
  | "gate-missing"
  | "gate"
  // V3: sub-roots and provenance
  | "chunk"
  | "tensor-root"
  | "component"
  | "data-root"
  | "provenance"
  // V4: nothing but data
  | "section-unknown"
  // V5: lanes
  | "lane"
  // V6: the root and the replay
  | "root"
  | "table-digest"
  | "section-digest"
  | "golden"
  | "draft"
  | "replay"
  // V7: bound hashes
  | "abi-unknown"
  | "abi-hash"
  | "policy-hash"
  | "meta-hash"
  | "root-unexpected"
  // of any rule
  | "not-reached"
  | "internal";

/** A rule is broken: which one, why, and where. */
export class VerifyError extends S7lError<VerifyErrorCode> {
  override readonly name = "VerifyError";
  readonly rule: RuleId;

  constructor(rule: RuleId, code: VerifyErrorCode, message: string, at?: string, options?: ErrorOptions) {
    super(code, message, at, options);
    this.rule = rule;
  }
}

/** Thrown by a rule; the ledger adds which rule it was. */
export class Finding extends Error {
  readonly code: VerifyErrorCode;
  readonly at: string | undefined;

  constructor(code: VerifyErrorCode, message: string, at?: string) {
    super(message);
    this.code = code;
    this.at = at;
  }
}

/** Ends a rule's check with what is wrong and where. */
export function refuse(code: VerifyErrorCode, message: string, at?: string): never {
  throw new Finding(code, message, at);
}

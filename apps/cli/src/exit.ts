/**
 * Exit codes and the one sentence of an error. 0: fine. 1: refused, by a rule of a format or a model. 2: usage, I/O, or an
 * interruption: nothing is known about the input.
 */
import { type FormatErrorCode, S7lError } from "@s7l/format";
import type { PackErrorCode } from "@s7l/pack";
import type { QuantizeErrorCode } from "@s7l/quantize";
import type { GateErrorCode, RuntimeErrorCode, SessionStateErrorCode } from "@s7l/runtime";
import type { SignatureErrorCode, VerifyErrorCode } from "@s7l/verify";
import type { ProofErrorCode } from "@s7l/verify/proof";
import type { CliErrorCode } from "./errors.ts";

export type ExitCode = 0 | 1 | 2;

type Code =
  | CliErrorCode
  | FormatErrorCode
  | GateErrorCode
  | PackErrorCode
  | ProofErrorCode
  | QuantizeErrorCode
  | RuntimeErrorCode
  | SessionStateErrorCode
  | SignatureErrorCode
  | VerifyErrorCode;

/** Codes that say nothing about the input's worth: it could not be read, or the question was wrong. So do all of HttpError. */
const NOT_JUDGED: ReadonlySet<string> = new Set<Code>([
  "usage",
  "option",
  "engine",
  "io",
  "checkpoint",
  "shard",
  "interrupted",
  // A key file, before anything is held to it.
  "key-form",
  "key-kind",
  "key-password",
]);

/** What failed, for people and for `--json`. */
export interface Failure {
  readonly exit: Exclude<ExitCode, 0>;
  /** The rule of verify that is broken, where it is one. */
  readonly rule?: string;
  readonly code: string;
  readonly message: string;
  readonly at?: string;
}

/** Any thrown value as a failure. What is not an error of ours or of the system is a defect, and is said to be one. */
export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof S7lError) {
    const { code, message, at } = thrown;
    // Not by class: that would load the verifier for every verb.
    const rule = "rule" in thrown && typeof thrown.rule === "string" ? { rule: thrown.rule } : {};
    const notJudged = NOT_JUDGED.has(code) || thrown.name === "HttpError";
    return { exit: notJudged ? 2 : 1, ...rule, code, message, ...(at === undefined ? {} : { at }) };
  }
  if (thrown instanceof Error && "syscall" in thrown && "code" in thrown) {
    return { exit: 2, code: "io", message: `${thrown.message} (${String(thrown.code)})` };
  }
  const message = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return { exit: 2, code: "defect", message: `this is a defect in s7l, please report it: ${message}` };
}

/** `verify: V3, a chunk is not what was sealed [chunk at DATA]`; the place is left out where the sentence names it already. */
export function sentenceOf({ rule, code, message, at }: Failure, verb: string): string {
  const place = at === undefined || message.includes(at) ? "" : ` at ${at}`;
  return `${verb === "" ? "" : `${verb}: `}${rule === undefined ? "" : `${rule}, `}${message} [${code}${place}]`;
}

/**
 * Which rules hold. A rule may be checked in several steps, as more of the artifact becomes known; it holds when the last
 * one is done. The first finding ends the inspection: what follows would rest on it.
 */
import { FormatError, type FormatErrorCode } from "@s7l/format";
import { Finding, RULES, type RuleId, VerifyError, type VerifyErrorCode } from "./errors.ts";

/** The verdict on one rule. `replayed` stands with V6: whether the golden prompts were run, by what the caller gave for that. */
export type RuleVerdict =
  | { readonly id: RuleId; readonly ok: true; readonly replayed?: boolean }
  | {
      readonly id: RuleId;
      readonly ok: false;
      readonly code: VerifyErrorCode;
      readonly message: string;
      readonly at?: string;
    };

const CODES: Readonly<Record<Exclude<FormatErrorCode, "io">, VerifyErrorCode>> = {
  schema: "schema",
  canonical: "not-canonical",
  header: "header",
  layout: "limit",
  content: "tensor-content",
  fold: "fold",
  range: "file-size",
};

/** Attributes whatever a check throws to a rule. Failures of the source and of the caller (abort) pass through. */
export function attribute(rule: RuleId, error: unknown): unknown {
  if (error instanceof VerifyError) return error;
  if (error instanceof Finding) return new VerifyError(rule, error.code, error.message, error.at);
  if (error instanceof FormatError) {
    if (error.code === "io") return error;
    return new VerifyError(rule, CODES[error.code], error.message, error.at, { cause: error });
  }
  // Only what this package itself got wrong can surface so; it fails closed, and typed.
  if (error instanceof TypeError || error instanceof RangeError) {
    return new VerifyError(rule, "internal", `the check could not be made: ${error.message}`, undefined, {
      cause: error,
    });
  }
  return error;
}

export class Ledger {
  private readonly settled = new Set<RuleId>();
  private broken: VerifyError | undefined;
  private replayed = false;
  private recomputed: Uint8Array | undefined;

  /** R, once it is known to be the hash of what stands under it. */
  get root(): Uint8Array | undefined {
    return this.recomputed;
  }

  /** Runs one step of a rule. */
  check<T>(rule: RuleId, step: () => T): T {
    try {
      return step();
    } catch (error) {
      throw this.note(attribute(rule, error));
    }
  }

  /** Runs one step that waits for bytes. */
  async checkAsync<T>(rule: RuleId, step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      throw this.note(attribute(rule, error));
    }
  }

  /** Nothing more is to be checked for these rules. */
  settle(...rules: readonly RuleId[]): void {
    for (const rule of rules) this.settled.add(rule);
  }

  noteRoot(root: Uint8Array): void {
    this.recomputed = root;
  }

  noteReplay(): void {
    this.replayed = true;
  }

  /** Takes a finding into the verdicts, wherever it was made. */
  note(error: unknown): unknown {
    if (error instanceof VerifyError) this.broken = error;
    return error;
  }

  /** V0 to V7, in order. */
  verdicts(): readonly RuleVerdict[] {
    return RULES.map((id): RuleVerdict => {
      const { broken } = this;
      if (broken?.rule === id) {
        return {
          id,
          ok: false,
          code: broken.code,
          message: broken.message,
          ...(broken.at === undefined ? {} : { at: broken.at }),
        };
      }
      if (this.settled.has(id)) return id === "V6" ? { id, ok: true, replayed: this.replayed } : { id, ok: true };
      return {
        id,
        ok: false,
        code: "not-reached",
        message: `not checked, because ${broken?.rule ?? "the inspection"} ended before`,
      };
    });
  }
}

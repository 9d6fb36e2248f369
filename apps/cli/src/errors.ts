import { S7lError } from "@s7l/format";

export type CliErrorCode =
  | "usage" // an unknown verb or flag, a missing or malformed argument
  | "io" // something that cannot be read or written
  | "refused" // what was asked for contradicts the artifact or the options
  | "foreign" // a file of another format that breaks that format's rules
  | "interrupted"; // Ctrl-C or a request to end

/** What goes wrong in the command itself; the packages have errors of their own. */
export class CliError extends S7lError<CliErrorCode> {
  override readonly name = "CliError";
}

/** Throws a usage error: one sentence that says what to type instead. */
export function refuseUsage(message: string): never {
  throw new CliError("usage", message);
}

/** The password of a key: from a file or the environment, never from the command line, which others can see. */
import { CliError } from "./errors.ts";
import { needSmallFile } from "./small-file.ts";

const VARIABLE = "S7L_KEY_PASSWORD";

/** The flag of verbs that take one. */
export const PASSWORD_FLAG = {
  type: "text",
  hint: "FILE",
  description: `file whose first line is the key's password (or set ${VARIABLE})`,
} as const;

/** The password, or undefined where none is given. Throws CliError `io` or `usage`. */
export async function readPassword(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return process.env[VARIABLE];
  const [line = ""] = new TextDecoder().decode(await needSmallFile(file)).split(/\r?\n/);
  if (line === "") throw new CliError("usage", `${file} has no password in its first line`, file);
  return line;
}

import { FormatError } from "./errors.ts";
import { reasonIn } from "./io-reason.ts";

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "its folder is not a folder",
  ELOOP: "it is a symbolic link; give the file that it points to",
  EACCES: "permission was denied",
  EPERM: "permission was denied",
  EISDIR: "it is a folder",
  EMFILE: "too many files are open",
};

/** Why a file cannot be read, in words: FormatError `io`. */
export function readFailure(cause: unknown, path: string): FormatError {
  return new FormatError("io", `${path} cannot be read: ${reasonIn(WORDS, cause)}`, path, { cause });
}

import { FormatError } from "./errors.ts";

/** Why a file cannot be read, in words: FormatError `io`. */
export function readFailure(cause: unknown, path: string): FormatError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file",
    ENOTDIR: "its folder is not a folder",
    ELOOP: "it is a symbolic link; give the file that it points to",
    EACCES: "permission was denied",
    EPERM: "permission was denied",
    EISDIR: "it is a folder",
    EMFILE: "too many files are open",
  };
  return new FormatError(
    "io",
    `${path} cannot be read: ${reasons[code] ?? (cause instanceof Error ? cause.message : String(cause))}`,
    path,
    { cause },
  );
}

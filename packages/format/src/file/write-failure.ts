import { FormatError } from "../errors.ts";
import { reasonIn } from "../io-reason.ts";

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "its folder does not exist",
  ENOTDIR: "its folder is not a folder",
  EEXIST: "a file has that name",
  EACCES: "permission was denied",
  EPERM: "permission was denied",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EFBIG: "it is larger than a limit of this process (ulimit -f) or of the file system allows",
  EISDIR: "a folder has that name",
  ELOOP: "a symbolic link has that name",
  ENXIO: "a pipe or a socket has that name",
};

/** Why a file cannot be written, in words: FormatError `io`. */
export function writeFailure(cause: unknown, path: string): FormatError {
  return new FormatError("io", `${path} cannot be written: ${reasonIn(WORDS, cause)}`, path, { cause });
}

/** Why a folder cannot be made, in words: FormatError `io`. `name` is what the sentence calls it. */
export function folderFailure(cause: unknown, path: string, name = path): FormatError {
  return new FormatError("io", `${name} cannot be made: ${reasonIn(WORDS, cause)}`, path, { cause });
}

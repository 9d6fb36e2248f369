/**
 * What is wrong with a checkpoint, as a list: whoever has three missing shards wants to hear of all three. Each finding belongs
 * to one of the four troubles of seed 000, and each trouble has its way out.
 */

import type { Listing } from "./listing.ts";

/** Missing shards, corrupted files, memory issues, loading errors (seed 000, "Troubleshooting"). */
export type Trouble = "missing" | "corrupted" | "memory" | "load";

/** Every kind of finding, and the trouble it is. Programs branch on these names; never rename one. */
export const FINDINGS = {
  "file-missing": "missing",
  "shard-missing": "missing",
  "download-unfinished": "missing",
  "manifest-missing": "missing",
  "header-broken": "corrupted",
  "size-differs": "corrupted",
  "digest-differs": "corrupted",
  "value-not-finite": "corrupted",
  "shard-too-large": "memory",
  "file-extra": "load",
  "shard-extra": "load",
  "shards-mixed": "load",
  "index-missing": "load",
  "index-broken": "load",
  "index-differs": "load",
  "total-differs": "load",
  "tensor-twice": "load",
  "tensor-missing": "load",
  "dtype-unusable": "load",
  "dtype-unusual": "load",
  misaligned: "load",
  "model-differs": "load",
  "model-unknown": "load",
  "manifest-broken": "load",
  "manifest-of-another-revision": "load",
} as const satisfies Readonly<Record<string, Trouble>>;

export type FindingCode = keyof typeof FINDINGS;

/** One thing that is wrong, or, as a note, that is worth knowing and stops nothing. */
export interface Finding {
  readonly severity: "error" | "note";
  readonly code: FindingCode;
  readonly trouble: Trouble;
  /** The file, from the checkpoint's folder, or the tensor. */
  readonly at: string;
  /** One sentence. */
  readonly message: string;
}

/** What to do about each trouble, a sentence each. */
export const ADVICE: Readonly<Record<Trouble, string>> = {
  missing:
    "Missing files: fetch the files named above again (a finished download leaves no .incomplete, .part or .tmp file), then run collect once more.",
  corrupted:
    "Corrupted files: fetch the files named above again from where the manifest came from, then run verify; no other file needs to be fetched.",
  memory:
    "Memory: s7l itself holds a few MiB of rows however large a shard is; for other readers save the checkpoint again with smaller shards (max_shard_size of save_pretrained).",
  load: "Loading: take away what does not belong, rebuild the index with `s7l checkpoint index` if the shards are right, and give weights in F32, F16 or BF16 from one revision.",
};

/** A finding that stops a checkpoint from being used. */
export const error = (code: FindingCode, at: string, message: string): Finding => ({
  severity: "error",
  code,
  trouble: FINDINGS[code],
  at,
  message,
});

/** A finding that stops nothing. */
export const note = (code: FindingCode, at: string, message: string): Finding => ({
  ...error(code, at, message),
  severity: "note",
});

/** The advice that some findings call for, each sentence once; notes call for none, nor does a manifest that may never have been made. */
export function adviceFor(findings: readonly Finding[]): readonly string[] {
  const grave = findings.filter(({ severity, code }) => severity === "error" && code !== "manifest-missing");
  const troubles = new Set(grave.map(({ trouble }) => trouble));
  return [...troubles].map((trouble) => ADVICE[trouble]);
}

/** Whether nothing among the findings stops the checkpoint from being used. */
export const isFine = (findings: readonly Finding[]): boolean => findings.every(({ severity }) => severity === "note");

/** Names in a checkpoint's folder that lead to no file, which no manifest and no hash can be of. */
export const brokenNames = ({ broken }: Listing): readonly Finding[] =>
  broken.map((name) =>
    error("file-missing", name, `${name} is a link that leads to no file, or no regular file itself.`),
  );

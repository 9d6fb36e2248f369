/** `verify`: the index against the headers, and the manifest against every byte of every file. */
import { join, relative, sep } from "node:path";
import { QuantizeError } from "../errors.ts";
import { MAX_TEXT_FILE, readRegularFile } from "./checkpoint-file.ts";
import { brokenNames, error, type Finding, isFine } from "./findings.ts";
import { hashFiles } from "./hash-files.ts";
import { surveyHeaders } from "./lint.ts";
import { type ListedFile, listCheckpoint, shardNumber } from "./listing.ts";
import { MANIFEST_FILE, type Manifest, parseManifest } from "./manifest.ts";
import { compareIndex, compareTotal, INDEX_FILE, readShardIndex } from "./shard-index.ts";

export interface VerifyCheckpointOptions {
  /** The manifest. Default: manifest.json in the checkpoint's folder. */
  readonly manifest?: string;
  /** Files hashed at once, a thread each. Default 1. */
  readonly threads?: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface CheckpointVerification {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  /** Files that the manifest names. */
  readonly files: number;
  /** Bytes that were hashed. */
  readonly bytes: number;
}

/** Verifies the checkpoint in a folder. Throws QuantizeError `checkpoint` where it cannot be read, FormatError `io` from reads. */
export async function verifyCheckpoint(
  folder: string,
  options: VerifyCheckpointOptions = {},
): Promise<CheckpointVerification> {
  const path = options.manifest ?? join(folder, MANIFEST_FILE);
  const listing = await listCheckpoint(folder);
  const own = relative(folder, path).replaceAll(sep, "/");
  const files = listing.files.filter(({ name }) => name !== own);

  const findings: Finding[] = [...brokenNames(listing)];
  for (const { folder: part, tensors, findings: broken } of await surveyHeaders(listing)) {
    for (const finding of broken) findings.push(finding);
    const index = await readShardIndex(part);
    if (!index) {
      if ([...part.files.keys()].some(shardNumber))
        findings.push(error("index-missing", part.prefix + INDEX_FILE, `${part.prefix}${INDEX_FILE} is missing.`));
      continue;
    }
    if ("code" in index) {
      findings.push(index);
      continue;
    }
    for (const shard of new Set(index.shardOf.values())) {
      if (!part.files.has(shard))
        findings.push(
          error(
            "shard-missing",
            part.prefix + shard,
            `${part.prefix}${shard}, which ${index.file.name} names, is missing.`,
          ),
        );
    }
    for (const finding of compareIndex(index, tensors, part)) findings.push(finding);
    if (isFine(findings))
      findings.push(
        ...compareTotal(
          index,
          tensors.reduce((sum, { length }) => sum + length, 0),
        ),
      );
  }

  const manifest = await readManifest(path, folder);
  if ("code" in manifest) return { ok: false, findings: [...findings, manifest], files: 0, bytes: 0 };
  const compared = await compareFiles(files, listing.broken, manifest, options);
  for (const finding of compared.findings) findings.push(finding);
  return { ok: isFine(findings), findings, files: manifest.size, bytes: compared.bytes };
}

async function readManifest(path: string, folder: string): Promise<Manifest | Finding> {
  try {
    const bytes = await readRegularFile(path, MAX_TEXT_FILE);
    if (bytes) return parseManifest(bytes, path);
    const message = `${path} is missing, so nothing says what the files should be: take the one that came with them, or, if they are known to be right, make it with \`s7l checkpoint manifest ${folder}\`.`;
    return error("manifest-missing", path, message);
  } catch (cause) {
    if (!(cause instanceof QuantizeError)) throw cause;
    return error("manifest-broken", path, `${cause.message}.`);
  }
}

async function compareFiles(
  files: readonly ListedFile[],
  broken: readonly string[],
  manifest: Manifest,
  { threads, onProgress, signal }: VerifyCheckpointOptions,
): Promise<{ readonly findings: readonly Finding[]; readonly bytes: number }> {
  const findings: Finding[] = [];
  const there = new Map(files.map((file) => [file.name, file]));
  for (const name of manifest.keys()) {
    if (!there.has(name) && !broken.includes(name))
      findings.push(
        error(
          shardNumber(name) ? "shard-missing" : "file-missing",
          name,
          `${name}, which the manifest names, is missing.`,
        ),
      );
  }
  const differing = new Set<string>();
  const hashed: ListedFile[] = [];
  for (const file of files) {
    const entry = manifest.get(file.name);
    if (!entry) findings.push(error("file-extra", file.name, `${file.name} is not in the manifest.`));
    else if (entry.size !== file.size) {
      differing.add(file.name);
      findings.push(
        error("size-differs", file.name, `${file.name} has ${file.size} bytes; the manifest says ${entry.size}.`),
      );
    } else hashed.push(file);
  }
  const bytes = hashed.reduce((sum, { size }) => sum + size, 0);
  const digests = await hashFiles(hashed, {
    ...(threads === undefined ? {} : { threads }),
    ...(signal ? { signal } : {}),
    onProgress: (done) => onProgress?.(done, bytes),
  });
  for (const { name } of hashed) {
    if (digests.get(name) === manifest.get(name)?.sha256) continue;
    differing.add(name);
    findings.push(
      error("digest-differs", name, `${name} has another SHA-256 than the manifest says: a byte of it changed.`),
    );
  }
  // One torn shard is damage; when most differ, nothing was damaged: they are other shards.
  const weights = files.filter(({ name }) => name.endsWith(".safetensors"));
  const others = weights.filter(({ name }) => differing.has(name)).length;
  if (others > 1 && 2 * others > weights.length)
    findings.push(
      error(
        "manifest-of-another-revision",
        MANIFEST_FILE,
        `${others} of ${weights.length} weight files differ: the manifest is of another revision of this checkpoint.`,
      ),
    );
  return { findings, bytes };
}

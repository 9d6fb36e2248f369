/**
 * `manifest`: hashes every file of a checkpoint, some at once. Each digest goes to a journal as soon as it is known, so a run
 * that was killed is taken up where it was; a file that changed since is hashed again.
 */
import { unlink } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { FormatError } from "@s7l/format";
import { appendText, assertReplaceable, readLines, writeFileWhole } from "@s7l/format/file";
import { QuantizeError } from "../errors.ts";
import { MAX_TEXT_FILE, readRegularFile } from "./checkpoint-file.ts";
import { brokenNames } from "./findings.ts";
import { hashFiles } from "./hash-files.ts";
import { type ListedFile, listCheckpoint } from "./listing.ts";
import { encodeManifest, MANIFEST_FILE, type Manifest, parseManifest } from "./manifest.ts";

export interface ManifestOptions {
  /** Where to write it. Default: manifest.json in the checkpoint's folder. */
  readonly out?: string;
  /** Files hashed at once, a thread each. Default 1. */
  readonly threads?: number;
  /** Bytes hashed so far, those of an earlier run included. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** A manifest that was written. */
export interface MadeManifest {
  readonly path: string;
  readonly manifest: Manifest;
  /** Files whose digest an earlier, interrupted run had left. */
  readonly resumed: number;
  /** Bytes of all files. */
  readonly bytes: number;
}

/** Writes the manifest of a checkpoint. Throws QuantizeError `checkpoint` and FormatError `io`. */
export async function makeManifest(folder: string, options: ManifestOptions = {}): Promise<MadeManifest> {
  const path = options.out ?? join(folder, MANIFEST_FILE);
  const listing = await listCheckpoint(folder);
  const [broken] = brokenNames(listing);
  if (broken) throw new QuantizeError("checkpoint", `${broken.message} A manifest is of every file.`, broken.at);
  await assertManifest(path);
  const own = relative(folder, path).replaceAll(sep, "/");
  const files = listing.files.filter(({ name }) => name !== own);
  const journal = join(dirname(path), `.${basename(path)}.journal`);

  const known = await readJournal(journal);
  const digests = new Map<string, string>();
  for (const file of files) {
    const sha256 = known.get(keyOf(file));
    if (sha256 !== undefined) digests.set(file.name, sha256);
  }
  const resumed = digests.size;
  const rest = files.filter(({ name }) => !digests.has(name));
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const before = bytes - rest.reduce((sum, { size }) => sum + size, 0);
  const { threads, onProgress, signal } = options;
  await hashFiles(rest, {
    ...(threads === undefined ? {} : { threads }),
    ...(signal ? { signal } : {}),
    onProgress: (done) => onProgress?.(before + done, bytes),
    onDigest: async (file, sha256) => {
      digests.set(file.name, sha256);
      await noteDigest(journal, `${sha256} ${keyOf(file)}\n`);
    },
  });
  await assertUnchanged(folder, files);

  const manifest = new Map(files.map(({ name, size }) => [name, { size, sha256: digests.get(name) ?? "" }] as const));
  await writeFileWhole(path, encodeManifest(manifest));
  await unlink(journal).catch(() => undefined);
  return { path, manifest, resumed, bytes };
}

/** What may stand under the name of a manifest to be: nothing, or a manifest. Anything else is somebody's, perhaps a shard. */
async function assertManifest(path: string): Promise<void> {
  await assertReplaceable(path);
  try {
    const bytes = await readRegularFile(path, MAX_TEXT_FILE);
    if (bytes) parseManifest(bytes, path);
  } catch (cause) {
    if (!(cause instanceof QuantizeError)) throw cause;
    const message = `${path} is there already and is no manifest; remove it, or give another name`;
    throw new QuantizeError("checkpoint", message, path, { cause });
  }
}

const keyOf = ({ name, stamp }: ListedFile): string => `${stamp} ${JSON.stringify(name)}`;

/** A manifest speaks of one moment: a file that changed meanwhile is refused. */
async function assertUnchanged(folder: string, files: readonly ListedFile[]): Promise<void> {
  const now = new Map((await listCheckpoint(folder)).files.map((file) => [file.name, file.stamp]));
  for (const { name, stamp } of files) {
    if (now.get(name) !== stamp)
      throw new FormatError("io", `${name} changed while its manifest was made; run the command again`, name);
  }
}

/** Digests that an earlier run left. A torn last line is no line, and whatever else is odd is hashed again. */
async function readJournal(path: string): Promise<ReadonlyMap<string, string>> {
  const known = new Map<string, string>();
  for (const line of (await readLines(path)).slice(0, -1)) {
    const [, sha256, key] = /^([0-9a-f]{64}) (.+)$/.exec(line) ?? [];
    if (sha256 !== undefined && key !== undefined) known.set(key, sha256);
  }
  return known;
}

async function noteDigest(journal: string, line: string): Promise<void> {
  try {
    await appendText(journal, line);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError("io", `${cause.message}; give --out a folder that can be`, journal, { cause });
  }
}

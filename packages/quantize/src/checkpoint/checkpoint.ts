/**
 * A checkpoint on disk: a Hugging Face folder (one file or shards with an index), an S7 folder, or an S7 trunk with the folders
 * of its experts. Headers are read and checked at once, tensor data only when asked for.
 */
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { sha256 } from "@s7l/format";
import { type FileSource, openFileSource } from "@s7l/format/file";
import type { Config } from "../config.ts";
import { QuantizeError } from "../errors.ts";
import { type JsonObject, parseJsonObject } from "../json.ts";
import { readCheckpointFile } from "./checkpoint-file.ts";
import { readSafetensors, type StoredTensor } from "./safetensors.ts";
import { INDEX_FILE, parseShardIndex } from "./shard-index.ts";
import type { VocabularyFiles } from "./vocabulary.ts";

/** Where a checkpoint is: one folder, or a trunk and its experts in any order. */
export type CheckpointPath = string | { readonly trunk: string; readonly experts: readonly string[] };

/** A file that tensors are read from. */
export interface CheckpointFile {
  readonly path: string;
  /** Another text when the file is another, or was written to. */
  readonly identity: string;
}

/** An open checkpoint. Close it when done; tensors cannot be read after. */
export interface Checkpoint {
  readonly config: Config;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly files: VocabularyFiles;
  /** The file that a tensor lies in; undefined where it lies in memory. */
  readonly fileOf: (tensor: StoredTensor) => CheckpointFile | undefined;
  /** SHA-256 over the files that tensors are read from, as they lie here: another one once a file was written to. */
  readonly identity: Uint8Array;
  /** Throws FormatError `io` where a file changed since it was opened. */
  assertUnchanged(): Promise<void>;
  close(): Promise<void>;
}

export const MAX_SHARDS = 4096;

/** Opens a checkpoint. Throws QuantizeError `checkpoint`, `safetensors` or `config` with the file, FormatError `io` from reads. */
export async function openCheckpoint(path: CheckpointPath): Promise<Checkpoint> {
  const { trunk, experts } = typeof path === "string" ? await layoutOf(path) : path;
  const rootOf = (folder: string): Promise<string> =>
    realpath(typeof path === "string" ? path : folder).catch((cause) => notAFolder(folder, cause));
  const config = await readConfig(await rootOf(trunk), trunk);
  const opened: Opened[] = [];
  try {
    const tensors = new Map<string, StoredTensor>();
    for (const folder of [trunk, ...experts]) {
      for (const tensor of await openTensors(await rootOf(folder), folder, opened)) {
        const other = tensors.get(tensor.name);
        if (other) refuse(`tensor ${tensor.name} is in ${other.file} and in ${tensor.file}`, tensor.name);
        tensors.set(tensor.name, tensor);
      }
    }
    return {
      config: { place: "config.json", values: config },
      tensors,
      files: await readVocabularyFiles(await rootOf(trunk), trunk),
      fileOf: ({ source }) => {
        const file = opened.find((file) => file.source === source);
        return file && { path: file.path, identity: file.source.identity };
      },
      identity: sha256(new TextEncoder().encode(opened.map(({ source }) => source.identity).join("\n"))),
      assertUnchanged: async () => {
        for (const { source } of opened) await source.assertUnchanged();
      },
      close: () => closeAll(opened),
    };
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

interface Opened {
  readonly path: string;
  readonly source: FileSource;
}

async function closeAll(opened: readonly Opened[]): Promise<void> {
  await Promise.all(opened.map(({ source }) => source.close()));
}

function refuse(message: string, at: string, cause?: unknown): never {
  throw new QuantizeError("checkpoint", message, at, { cause });
}

/** A folder with a config.json is the whole; one with `trunk_final` is S7's layout of seed 001 §5. */
async function layoutOf(folder: string): Promise<{ readonly trunk: string; readonly experts: readonly string[] }> {
  let names: readonly string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    return notAFolder(folder, cause);
  }
  if (names.includes("config.json")) return { trunk: folder, experts: [] };
  if (names.includes("trunk_final")) {
    const experts = names.filter((name) => /^expert\d+_final$/.test(name)).sort();
    return { trunk: join(folder, "trunk_final"), experts: experts.map((name) => join(folder, name)) };
  }
  return refuse(`${folder} has neither config.json nor trunk_final; it is not a checkpoint`, folder);
}

function notAFolder(folder: string, cause: unknown): never {
  // The name of a model on the Hub, which other programs would fetch.
  const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
  if (missing && /^[\w-][\w.-]*\/[\w.-]+$/.test(folder))
    return refuse(
      `there is no folder ${folder}, and nothing is downloaded here; if it is on the Hugging Face Hub, get it first with \`hf download ${folder} --local-dir ${basename(folder)}\``,
      folder,
      cause,
    );
  return refuse(`${folder} is not a folder that can be read; give the folder that holds config.json`, folder, cause);
}

async function readConfig(root: string, folder: string): Promise<JsonObject> {
  const bytes = await readCheckpointFile(root, folder, "config.json");
  if (!bytes) return refuse(`${folder} has no config.json`, folder);
  return parseJsonObject(bytes, "config.json", "config");
}

async function readVocabularyFiles(root: string, folder: string): Promise<VocabularyFiles> {
  const read = (name: string): Promise<Uint8Array | undefined> => readCheckpointFile(root, folder, name);
  // Seed 000 keeps the tokenizer in a folder of its own.
  const tokenizer = (await read("tokenizer.json")) ?? (await read("tokenizer/tokenizer.json"));
  // Beside a merges.txt, vocab.json is half of a byte-pair encoding, useless alone.
  const merges = await read("merges.txt");
  const vocab = tokenizer || merges ? undefined : await read("vocab.json");
  const template = await read("chat_template.jinja");
  const tokenizerConfig = await read("tokenizer_config.json");
  const generationConfig = await read("generation_config.json");
  return {
    ...(tokenizer ? { tokenizer } : {}),
    ...(vocab ? { vocab } : {}),
    ...(template ? { chatTemplate: textOf(template, "chat_template.jinja") } : {}),
    ...(tokenizerConfig ? { tokenizerConfig: parseJsonObject(tokenizerConfig, "tokenizer_config.json") } : {}),
    ...(generationConfig ? { generationConfig: parseJsonObject(generationConfig, "generation_config.json") } : {}),
  };
}

/** A file's text, every character of it: a leading mark too, which a template would print. */
function textOf(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    return refuse(`${name} is not UTF-8 text`, name, cause);
  }
}

/** Every tensor of a folder; each file opened is added to `opened`, also when this throws. */
async function openTensors(root: string, folder: string, opened: Opened[]): Promise<readonly StoredTensor[]> {
  const index = await readCheckpointFile(root, folder, INDEX_FILE);
  if (!index || (await exists(join(folder, "model.safetensors"))))
    return openShard(folder, "model.safetensors", opened);

  const shardOf = new Map(parseShardIndex(index, INDEX_FILE).shardOf);
  const shards = [...new Set(shardOf.values())].sort();
  if (shards.length > MAX_SHARDS)
    refuse(`${INDEX_FILE} names ${shards.length} shards, at most ${MAX_SHARDS} are allowed`, INDEX_FILE);
  const tensors: StoredTensor[] = [];
  for (const shard of shards) {
    if (!(await exists(join(folder, shard))))
      refuse(`shard ${shard}, which ${INDEX_FILE} names, is missing from ${folder}`, shard);
    for (const tensor of await openShard(folder, shard, opened)) {
      if (shardOf.get(tensor.name) !== shard)
        refuse(`tensor ${tensor.name} is in ${shard}, but not by ${INDEX_FILE}`, tensor.name);
      shardOf.delete(tensor.name);
      tensors.push(tensor);
    }
  }
  for (const [name, shard] of shardOf)
    refuse(`tensor ${name} should be in ${shard} by ${INDEX_FILE}, but is not`, name);
  return tensors;
}

async function openShard(folder: string, name: string, opened: Opened[]): Promise<readonly StoredTensor[]> {
  const path = join(folder, name);
  if (!(await exists(path)))
    refuse(`${folder} has no ${name} and no index of shards; only safetensors checkpoints can be read`, path);
  // A link is followed here, once, wherever it leads: the Hub's cache holds links to its blobs, and weights are large enough to be
  // linked by hand. What is no safetensors file of the config's very shapes is refused.
  const real = await realpath(path);
  const source = await openFileSource(real);
  opened.push({ path: real, source });
  return readSafetensors(source, join(basename(folder), name));
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

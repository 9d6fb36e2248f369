/** `model.safetensors.index.json`: which shard holds which tensor, in the form that Transformers writes. */
import { realpath } from "node:fs/promises";
import { QuantizeError } from "../errors.ts";
import { isObject, parseJsonObject } from "../json.ts";
import { readCheckpointFile } from "./checkpoint-file.ts";
import { error, type Finding, note } from "./findings.ts";
import type { HeaderTensor, ListedFile, WeightFolder } from "./listing.ts";

/** The name of an index, beside its shards. */
export const INDEX_FILE = "model.safetensors.index.json";

/** What an index says. */
export interface ShardIndex {
  /** Shard of each tensor. */
  readonly shardOf: ReadonlyMap<string, string>;
  /** Bytes of all tensors, where the index says. */
  readonly totalSize?: number;
}

/** An index of a folder. */
export interface FoundIndex extends ShardIndex {
  readonly file: ListedFile;
}

/** Parses an index. Throws QuantizeError `checkpoint` for what is none. */
export function parseShardIndex(bytes: Uint8Array, place: string): ShardIndex {
  const refuse = (message: string, at = place): never => {
    throw new QuantizeError("checkpoint", `${place} ${message}`, at);
  };
  const { weight_map: map, metadata } = parseJsonObject(bytes, place);
  if (!isObject(map)) return refuse("has no weight_map");
  const shardOf = new Map<string, string>();
  for (const [tensor, shard] of Object.entries(map)) {
    if (typeof shard !== "string" || !/^[^/\\]+\.safetensors$/.test(shard))
      return refuse(
        `puts tensor ${tensor} in ${JSON.stringify(shard)}, which is not a safetensors file beside it`,
        tensor,
      );
    shardOf.set(tensor, shard);
  }
  const total = isObject(metadata) ? metadata.total_size : undefined;
  if (total === undefined || total === null) return { shardOf };
  if (typeof total !== "number" || !Number.isSafeInteger(total) || total < 0)
    return refuse(`has total_size ${JSON.stringify(total)}, which is no count of bytes`);
  return { shardOf, totalSize: total };
}

/** Reads a folder's index: the index, a finding about it, or undefined where there is none. */
export async function readShardIndex({
  folder,
  prefix,
  files,
}: WeightFolder): Promise<FoundIndex | Finding | undefined> {
  const file = files.get(INDEX_FILE);
  if (!file) return undefined;
  try {
    const bytes = await readCheckpointFile(await realpath(folder), folder, prefix + INDEX_FILE);
    return bytes && { file, ...parseShardIndex(bytes, file.name) };
  } catch (cause) {
    if (!(cause instanceof QuantizeError)) throw cause;
    return error("index-broken", file.name, `${cause.message}.`);
  }
}

/** Where an index and the shards beside it disagree. `tensors` are those of the headers that could be read. */
export function compareIndex(
  index: FoundIndex,
  tensors: readonly HeaderTensor[],
  { prefix, files }: WeightFolder,
): readonly Finding[] {
  const findings: Finding[] = [];
  const at = index.file.name;
  const differs = (tensor: string, message: string): number => findings.push(error("index-differs", tensor, message));
  const left = new Map(index.shardOf);
  const read = new Set<string>();
  for (const { name, file } of tensors) {
    const shard = file.slice(prefix.length);
    read.add(shard);
    const said = left.get(name);
    if (said === undefined) {
      if (!index.shardOf.has(name)) differs(name, `Tensor ${name} is in ${file}, but ${at} does not list it.`);
    } else if (said !== shard) differs(name, `Tensor ${name} is in ${file}; ${at} says it is in ${said}.`);
    left.delete(name);
  }
  for (const [name, shard] of left) {
    // Absent and broken shards have findings of their own; a line for each of their tensors would bury them.
    if (files.has(shard) && read.has(shard))
      differs(name, `Tensor ${name} should be in ${shard} by ${at}, but is not.`);
  }
  return findings;
}

/** Compares bytes of tensors with what an index says of them. */
export function compareTotal(index: FoundIndex, bytes: number): readonly Finding[] {
  const at = index.file.name;
  if (index.totalSize === undefined) return [note("total-differs", at, `${at} does not say the total size.`)];
  if (index.totalSize === bytes) return [];
  return [
    error("total-differs", at, `${at} says that all tensors have ${index.totalSize} bytes; the shards hold ${bytes}.`),
  ];
}

/** The bytes of an index: tensors in the order given, indented by two, a newline at the end, as Transformers writes it. */
export function encodeShardIndex(shardOf: ReadonlyMap<string, string>, totalSize: number): Uint8Array {
  // Written line by line, not from an object: one with names like "7" would put those first.
  const lines = [...shardOf].map(([name, shard]) => `    ${JSON.stringify(name)}: ${JSON.stringify(shard)}`);
  const text = `{\n  "metadata": {\n    "total_size": ${totalSize}\n  },\n  "weight_map": {\n${lines.join(",\n")}\n  }\n}\n`;
  return new TextEncoder().encode(text);
}

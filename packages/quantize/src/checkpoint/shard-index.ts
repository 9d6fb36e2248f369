/** `model.safetensors.index.json`: which shard holds which tensor, in the form that Transformers writes. */
import { readFile } from "node:fs/promises";
import { QuantizeError } from "../errors.ts";
import { isObject, parseJsonObject } from "../json.ts";
import { error, type Finding, note } from "./findings.ts";
import type { HeaderTensor, ListedFile, WeightFolder } from "./listing.ts";

/** The name of an index, beside its shards. */
export const INDEX_FILE = "model.safetensors.index.json";
/** An index of 2^20 tensors with names of 200 characters. */
const MAX_INDEX = 1 << 28;

/** An index as it was read. */
export interface ShardIndex {
  readonly file: ListedFile;
  /** Shard of each tensor. */
  readonly shardOf: ReadonlyMap<string, string>;
  /** Bytes of all tensors, where the index says. */
  readonly totalSize?: number;
}

/** Reads a folder's index: the index, a finding about it, or undefined where there is none. */
export async function readShardIndex({ files }: WeightFolder): Promise<ShardIndex | Finding | undefined> {
  const file = files.get(INDEX_FILE);
  if (!file) return undefined;
  const broken = (message: string): Finding => error("index-broken", file.name, message);
  if (file.size > MAX_INDEX) return broken(`${file.name} has ${file.size} bytes, far more than an index has.`);
  try {
    const { weight_map: map, metadata } = parseJsonObject(new Uint8Array(await readFile(file.path)), file.name);
    if (!isObject(map)) return broken(`${file.name} has no weight_map.`);
    const shardOf = new Map<string, string>();
    for (const [tensor, shard] of Object.entries(map)) {
      if (typeof shard !== "string" || !/^[^/\\]+\.safetensors$/.test(shard))
        return broken(`${file.name} puts tensor ${tensor} in ${JSON.stringify(shard)}, which names no file beside it.`);
      shardOf.set(tensor, shard);
    }
    const total = isObject(metadata) ? metadata.total_size : undefined;
    if (total === undefined || total === null) return { file, shardOf };
    if (typeof total !== "number" || !Number.isSafeInteger(total) || total < 0)
      return broken(`${file.name} has total_size ${JSON.stringify(total)}, which is no count of bytes.`);
    return { file, shardOf, totalSize: total };
  } catch (cause) {
    if (cause instanceof QuantizeError) return broken(`${cause.message}.`);
    return broken(`${file.name} cannot be read: ${cause instanceof Error ? cause.message : cause}.`);
  }
}

/** Where an index and the shards beside it disagree. `tensors` are those of the headers that could be read. */
export function compareIndex(
  index: ShardIndex,
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
export function compareTotal(index: ShardIndex, bytes: number): readonly Finding[] {
  const at = index.file.name;
  if (index.totalSize === undefined) return [note("total-differs", at, `${at} does not say the total size.`)];
  if (index.totalSize === bytes) return [];
  return [
    error("total-differs", at, `${at} says that all tensors have ${index.totalSize} bytes; the shards hold ${bytes}.`),
  ];
}

/**
 * The bytes of an index of some shards' tensors: keys in order, indented by two, a newline at the end, as Transformers writes
 * it. Throws QuantizeError `tensor` for a name that is there twice.
 */
export function encodeShardIndex(tensors: readonly HeaderTensor[], prefix = ""): Uint8Array {
  const fileOf = new Map<string, string>();
  let total = 0;
  for (const { name, file, length } of tensors) {
    const other = fileOf.get(name);
    if (other !== undefined)
      throw new QuantizeError("tensor", `tensor ${name} is in ${other} and in ${file}; an index can name one`, name);
    fileOf.set(name, file);
    total += length;
  }
  // Written line by line, not from an object: one with names like "7" would put those first.
  const lines = [...fileOf.keys()]
    .sort()
    .map((name) => `    ${JSON.stringify(name)}: ${JSON.stringify(fileOf.get(name)?.slice(prefix.length))}`);
  const text = `{\n  "metadata": {\n    "total_size": ${total}\n  },\n  "weight_map": {\n${lines.join(",\n")}\n  }\n}\n`;
  return new TextEncoder().encode(text);
}

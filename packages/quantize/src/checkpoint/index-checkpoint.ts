/** `index`: builds `model.safetensors.index.json` from the headers of the shards beside it. */
import { join } from "node:path";
import { writeFileWhole } from "@s7l/format/file";
import { QuantizeError } from "../errors.ts";
import { surveyHeaders } from "./lint.ts";
import { type HeaderTensor, listCheckpoint, shardNumber } from "./listing.ts";
import { encodeShardIndex, INDEX_FILE } from "./shard-index.ts";

/** An index that was written. */
export interface BuiltIndex {
  /** Where it stands now. */
  readonly path: string;
  readonly shards: number;
  readonly tensors: number;
  /** Bytes of all tensors. */
  readonly bytes: number;
}

/**
 * Writes the index of each folder of shards of a checkpoint, replacing one that is there. Throws QuantizeError: `safetensors`
 * for a broken header, `tensor` for a tensor in two shards, `checkpoint` where there are no shards; FormatError `io`.
 */
export async function indexCheckpoint(folder: string): Promise<readonly BuiltIndex[]> {
  const built: BuiltIndex[] = [];
  for (const { folder: part, files, tensors, findings } of await surveyHeaders(await listCheckpoint(folder))) {
    const [broken] = findings;
    if (broken) throw new QuantizeError("safetensors", broken.message, broken.at);
    const shards = files.filter(({ name }) => shardNumber(name.slice(part.prefix.length)));
    if (shards.length === 0) continue;
    const path = join(folder, part.prefix, INDEX_FILE);
    const bytes = tensors.reduce((sum, { length }) => sum + length, 0);
    await writeFileWhole(path, encodeShardIndex(shardsOf(tensors, part.prefix), bytes));
    built.push({ path, shards: shards.length, tensors: tensors.length, bytes });
  }
  if (built.length === 0) {
    const message = `${folder} has no shards named model-XXXXX-of-NNNNN.safetensors; a model in one file needs no index`;
    throw new QuantizeError("checkpoint", message, folder);
  }
  return built;
}

/** The shard of each tensor, by name in order. Throws QuantizeError `tensor` for a name that is there twice. */
function shardsOf(tensors: readonly HeaderTensor[], prefix: string): ReadonlyMap<string, string> {
  const fileOf = new Map<string, string>();
  for (const { name, file } of tensors) {
    const other = fileOf.get(name);
    if (other !== undefined)
      throw new QuantizeError("tensor", `tensor ${name} is in ${other} and in ${file}; an index can name one`, name);
    fileOf.set(name, file);
  }
  return new Map([...fileOf.keys()].sort().map((name) => [name, fileOf.get(name)?.slice(prefix.length) ?? ""]));
}

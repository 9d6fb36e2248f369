/** Safetensors files for a list of tensors: which file holds which, and what stands before the data. */
import { encodeShardIndex } from "../checkpoint/shard-index.ts";
import { QuantizeError } from "../errors.ts";
import type { ClassicTensor } from "./classic-tensors.ts";
import { FLOAT_BYTES, type FloatType } from "./element.ts";

/** How a checkpoint is cut: into so many files, or into files of at most so many bytes of data. */
export type Sharding = { readonly count: number } | { readonly bytes: number };

/** Tensors that share a file, in the order in which they lie there. */
export interface Shard {
  readonly file: string;
  readonly tensors: readonly ClassicTensor[];
}

const bytesOf = ({ numel }: ClassicTensor, type: FloatType): number => numel * FLOAT_BYTES[type];

/** Cuts tensors, in their order, into files named as the Hub names them. A tensor is never cut. */
export function shardTensors(
  tensors: readonly ClassicTensor[],
  type: FloatType,
  sharding?: Sharding,
): readonly Shard[] {
  const groups =
    sharding === undefined
      ? [tensors]
      : "count" in sharding
        ? intoCount(tensors, sharding.count)
        : bySize(tensors, type, sharding.bytes);
  if (groups.length === 1) return [{ file: "model.safetensors", tensors }];
  const number = (n: number): string => String(n).padStart(5, "0");
  return groups.map((group, i) => ({
    file: `model-${number(i + 1)}-of-${number(groups.length)}.safetensors`,
    tensors: group,
  }));
}

/** Files of about equal size: the k-th ends where k of `count` parts are reached, and each has a tensor. */
function intoCount(tensors: readonly ClassicTensor[], count: number): readonly (readonly ClassicTensor[])[] {
  if (count > tensors.length)
    throw new QuantizeError(
      "config",
      `${count} shards were asked for, but there are only ${tensors.length} tensors`,
      "shards",
    );
  const total = tensors.reduce((sum, { numel }) => sum + numel, 0);
  const groups: ClassicTensor[][] = [];
  let group: ClassicTensor[] = [];
  let done = 0;
  for (const [i, tensor] of tensors.entries()) {
    group.push(tensor);
    done += tensor.numel;
    const left = count - groups.length - 1;
    const full = left > 0 && done >= (total * (groups.length + 1)) / count;
    if (full || tensors.length - i - 1 === left) {
      groups.push(group);
      group = [];
    }
  }
  if (group.length > 0) groups.push(group);
  return groups;
}

/** Files of at most `limit` bytes of data, unless one tensor alone has more. */
function bySize(
  tensors: readonly ClassicTensor[],
  type: FloatType,
  limit: number,
): readonly (readonly ClassicTensor[])[] {
  const groups: ClassicTensor[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    const size = bytesOf(tensor, type);
    const group = groups.at(-1);
    if (group && size <= room) group.push(tensor);
    else {
      groups.push([tensor]);
      room = limit;
    }
    room -= size;
  }
  return groups;
}

/** What stands before the data of a file: the length of the header as u64, and the header, padded with spaces to 8. */
export function safetensorsHeader(tensors: readonly ClassicTensor[], type: FloatType): Uint8Array {
  let offset = 0;
  const entries = tensors.map((tensor) => {
    const start = offset;
    offset += bytesOf(tensor, type);
    return [tensor.name, { dtype: type, shape: tensor.shape, data_offsets: [start, offset] }];
  });
  const json = JSON.stringify({ __metadata__: { format: "pt" }, ...Object.fromEntries(entries) });
  const text = new TextEncoder().encode(json.padEnd(Math.ceil(json.length / 8) * 8));
  const header = new Uint8Array(8 + text.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(text.length), true);
  header.set(text, 8);
  return header;
}

/** model.safetensors.index.json: which file holds which tensor. */
export function shardIndex(shards: readonly Shard[], type: FloatType): Uint8Array {
  const entries = shards.flatMap(({ file, tensors }) => tensors.map(({ name }) => [name, file] as const));
  const total = shards.flatMap(({ tensors }) => tensors).reduce((sum, tensor) => sum + bytesOf(tensor, type), 0);
  return encodeShardIndex(new Map(entries), total);
}

/**
 * A checkpoint with random weights, as files to be written: the same config and seed give the same bytes on every machine.
 *
 * Matrices start normal with deviation `initializer_range` (0.02), gains of norms at 1, all other vectors at 0.
 */
import { INDEX_FILE } from "../checkpoint/shard-index.ts";
import { type Config, choice, real } from "../config.ts";
import { QuantizeError } from "../errors.ts";
import type { JsonObject } from "../json.ts";
import { lowerConfig } from "../lower.ts";
import { type ClassicTensor, classicTensors } from "./classic-tensors.ts";
import { FLOAT_BYTES, type FloatType } from "./element.ts";
import { tensorFiller } from "./fill.ts";
import { madeVocabulary } from "./made-vocabulary.ts";
import { type Sharding, safetensorsHeader, shardIndex, shardTensors } from "./shards.ts";

/** A file of a checkpoint; its bytes are made as they are asked for. */
export interface FreshFile {
  /** Path within the checkpoint, with forward slashes. */
  readonly path: string;
  readonly size: number;
  readonly bytes: () => Iterable<Uint8Array>;
}

export interface FreshOptions {
  /** An integer from 0 to 2^53 - 1. */
  readonly seed: number;
  /** Default: what `torch_dtype` or `dtype` of the config says, else BF16. */
  readonly type?: FloatType;
  /** Default: one file. */
  readonly sharding?: Sharding;
}

export interface FreshCheckpoint {
  readonly files: readonly FreshFile[];
  /** Bytes of all files. */
  readonly size: number;
  /** Numbers in all tensors. */
  readonly elements: number;
  readonly tensors: number;
  readonly type: FloatType;
}

const TYPES = { bfloat16: "BF16", float16: "F16", float32: "F32" } as const;

/**
 * Lays out a fresh checkpoint of a config. A model of whole experts by route (S7) is a folder `trunk_final` and one folder
 * `expert{e}_final` an expert, with a vocabulary, as its text chooses the expert; every other is one folder. Throws QuantizeError `config` or `unsupported`.
 */
export function freshCheckpoint(config: Config, { seed, type: asked, sharding }: FreshOptions): FreshCheckpoint {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new QuantizeError("config", `seed ${seed} is not an integer from 0 to 2^53 - 1`, "seed");
  const type = asked ?? choice(config, ["torch_dtype", "dtype"], TYPES, "bfloat16");
  const lowered = lowerConfig(config);
  const tensors = classicTensors(lowered);
  const deviation = real(config, "initializer_range", { or: 0.02 });
  const fill = tensorFiller({ seed, deviation, type });
  const routed = lowered.fold.stages.some(({ kind }) => kind === "routed");
  const folders = routed ? byComponent(tensors) : new Map([["", tensors]]);
  const files = [...folders].flatMap(([folder, own]): readonly FreshFile[] => {
    const shards = shardTensors(own, type, sharding);
    const isTrunk = folder === "" || folder === TRUNK;
    const texts = [
      textFile(
        "config.json",
        isTrunk ? freshConfig(config.values, type) : { model_type: `${lowered.family}_expert`, base: TRUNK },
      ),
      ...(routed && isTrunk ? [textFile("vocab.json", madeVocabulary(lowered.fold.vocab))] : []),
      ...(shards.length > 1 ? [fileOf(INDEX_FILE, shardIndex(shards, type))] : []),
    ];
    const data = shards.map(({ file, tensors: held }): FreshFile => {
      const header = safetensorsHeader(held, type);
      return {
        path: file,
        size: header.length + held.reduce((sum, { numel }) => sum + numel * FLOAT_BYTES[type], 0),
        *bytes() {
          yield header;
          for (const tensor of held) yield* fill(tensor);
        },
      };
    });
    return [...texts, ...data].map((file) => (folder === "" ? file : { ...file, path: `${folder}/${file.path}` }));
  });
  return {
    files,
    size: files.reduce((sum, { size }) => sum + size, 0),
    elements: tensors.reduce((sum, { numel }) => sum + numel, 0),
    tensors: tensors.length,
    type,
  };
}

const TRUNK = "trunk_final";

/** Experts each to their own folder, all else to the trunk's: the layout of seed 001 §5. */
function byComponent(tensors: readonly ClassicTensor[]): ReadonlyMap<string, readonly ClassicTensor[]> {
  const folders = new Map<string, ClassicTensor[]>([[TRUNK, []]]);
  for (const tensor of tensors) {
    const folder = tensor.component?.startsWith("expert") ? `${tensor.component}_final` : TRUNK;
    const own = folders.get(folder) ?? [];
    own.push(tensor);
    folders.set(folder, own);
  }
  return folders;
}

/** The config as given, less our own notes in it, with the dtype of the weights. */
function freshConfig({ "//": _, published: __, ...values }: JsonObject, type: FloatType): JsonObject {
  const dtype = type === "BF16" ? "bfloat16" : type === "F16" ? "float16" : "float32";
  const key = "dtype" in values && !("torch_dtype" in values) ? "dtype" : "torch_dtype";
  return { ...values, [key]: dtype };
}

const textFile = (path: string, json: JsonObject): FreshFile =>
  fileOf(path, new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`));

const fileOf = (path: string, bytes: Uint8Array): FreshFile => ({ path, size: bytes.length, bytes: () => [bytes] });

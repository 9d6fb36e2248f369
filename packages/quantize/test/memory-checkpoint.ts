/** A test tool: safetensors files and checkpoints made in memory. */
import { concatBytes, memorySource, sha256, tensorPlan } from "@s7l/format";
import type { Checkpoint } from "../src/checkpoint/checkpoint.ts";
import { readSafetensors, type StoredTensor } from "../src/checkpoint/safetensors.ts";
import { whole } from "../src/checkpoint/view.ts";
import type { VocabularyFiles } from "../src/checkpoint/vocabulary.ts";
import type { JsonObject } from "../src/json.ts";
import { lowerConfig, ruleFinder } from "../src/lower.ts";

export interface TestTensor {
  readonly shape: readonly number[];
  /** F32 values, or bytes with a dtype of their own. */
  readonly values: Float32Array | Uint8Array;
  readonly dtype?: string;
}

export type TestTensors = Readonly<Record<string, TestTensor>>;

const bytesOf = (values: Float32Array | Uint8Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** A safetensors file of any header, for breaking it. */
export function safetensorsFile(header: unknown, data: Uint8Array): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
  return concatBytes(length, json, data);
}

/** A well-formed file of some tensors. */
export function encodeSafetensors(tensors: TestTensors): Uint8Array {
  let at = 0;
  const header = Object.entries(tensors).map(([name, { shape, values, dtype = "F32" }]) => {
    const begin = at;
    at += values.byteLength;
    return [name, { dtype, shape, data_offsets: [begin, at] }];
  });
  return safetensorsFile(
    Object.fromEntries(header),
    concatBytes(...Object.values(tensors).map(({ values }) => bytesOf(values))),
  );
}

/** A checkpoint of a config and tensors. */
export async function memoryCheckpoint(
  config: JsonObject,
  tensors: TestTensors,
  files: VocabularyFiles = {},
): Promise<Checkpoint> {
  const stored = await readSafetensors(memorySource(encodeSafetensors(tensors)), "model.safetensors");
  return {
    config: { place: "config.json", values: config },
    tensors: new Map(stored.map((tensor): [string, StoredTensor] => [tensor.name, tensor])),
    files,
    fileOf: () => undefined,
    identity: sha256(new TextEncoder().encode(JSON.stringify(Object.keys(tensors)))),
    assertUnchanged: async () => {},
    close: async () => {},
  };
}

/** A stream of values in ±1 that a seed fixes. */
function noise(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state | 0) / 2 ** 31;
  };
}

/** Every tensor that a config's checkpoint stores, in its classic form, with noise in it. */
export function randomTensors(config: JsonObject, seed = 1): TestTensors {
  const lowered = lowerConfig({ place: "config.json", values: config });
  const rule = ruleFinder(lowered.rules);
  const next = noise(seed);
  const shapes = new Map<string, readonly number[]>();
  for (const tensor of tensorPlan(lowered.fold)) {
    const source = rule(tensor.name) ?? whole(tensor.name, ...tensor.shape);
    for (const view of source.kind === "view" ? [source] : source.inputs) shapes.set(view.tensor, view.shape);
  }
  return Object.fromEntries(
    [...shapes].map(([name, shape]) => {
      const count = shape.reduce((n, size) => n * size, 1);
      return [name, { shape, values: Float32Array.from({ length: count }, next) }];
    }),
  );
}

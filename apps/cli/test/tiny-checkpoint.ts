/** Small Llama checkpoints with random weights, to build, and to spoil. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface Tensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}
export type Tensors = ReadonlyMap<string, Tensor>;

export const CONFIG = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: 96,
  hidden_size: 64,
  intermediate_size: 112,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: "silu",
  tie_word_embeddings: false,
  attention_bias: false,
  mlp_bias: false,
  bos_token_id: 1,
  eos_token_id: 2,
};

/** The tensors of {@link CONFIG}, F32, the same at each call. */
export function tinyTensors(): Map<string, Tensor> {
  const { hidden_size: width, intermediate_size: inner, vocab_size: vocab, num_hidden_layers: layers } = CONFIG;
  const shapes: [string, readonly number[]][] = [
    ["model.embed_tokens.weight", [vocab, width]],
    ["model.norm.weight", [width]],
    ["lm_head.weight", [vocab, width]],
  ];
  for (let i = 0; i < layers; i++) {
    const layer = `model.layers.${i}`;
    shapes.push([`${layer}.input_layernorm.weight`, [width]], [`${layer}.post_attention_layernorm.weight`, [width]]);
    shapes.push([`${layer}.self_attn.q_proj.weight`, [64, width]], [`${layer}.self_attn.o_proj.weight`, [width, 64]]);
    shapes.push([`${layer}.self_attn.k_proj.weight`, [32, width]], [`${layer}.self_attn.v_proj.weight`, [32, width]]);
    shapes.push([`${layer}.mlp.gate_proj.weight`, [inner, width]], [`${layer}.mlp.up_proj.weight`, [inner, width]]);
    shapes.push([`${layer}.mlp.down_proj.weight`, [width, inner]]);
  }
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  return new Map(
    shapes.map(([name, shape]) => {
      const norm = shape.length === 1;
      const values = Float32Array.from({ length: shape.reduce((n, size) => n * size, 1) }, () =>
        norm ? 1 : random() / 8,
      );
      return [name, { dtype: "F32", shape, data: new Uint8Array(values.buffer) }];
    }),
  );
}

/** The bytes of a safetensors file. */
export function safetensors(tensors: Tensors): Uint8Array {
  let end = 0;
  const header: Record<string, unknown> = {};
  for (const [name, { dtype, shape, data }] of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + data.length] };
    end += data.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
  return Buffer.concat([length, json, ...[...tensors.values()].map(({ data }) => data)]);
}

/** Writes a checkpoint folder. */
export async function writeCheckpoint(
  folder: string,
  tensors: Tensors = tinyTensors(),
  config: object = CONFIG,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  await writeFile(join(folder, "model.safetensors"), safetensors(tensors));
}

/** The same in two shards with an index. */
export async function writeShards(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "config.json"), JSON.stringify(CONFIG));
  const entries = [...tinyTensors()];
  const map: Record<string, string> = {};
  for (const [i, part] of [entries.slice(0, 9), entries.slice(9)].entries()) {
    const shard = `model-0000${i + 1}-of-00002.safetensors`;
    for (const [name] of part) map[name] = shard;
    await writeFile(join(folder, shard), safetensors(new Map(part)));
  }
  await writeFile(join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
}

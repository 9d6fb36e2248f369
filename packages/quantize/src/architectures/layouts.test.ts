/** Checkpoints of the same model in another layout seal to the same bytes. */
import { expect, test } from "vitest";
import { CONFIGS, type FamilyName } from "../../test/configs.ts";
import { memoryCheckpoint, randomTensors, type TestTensor, type TestTensors } from "../../test/memory-checkpoint.ts";
import { spansOf } from "../../test/spans.ts";
import type { JsonObject } from "../json.ts";
import { quantize } from "../quantize.ts";

const sealed = async (config: JsonObject, tensors: TestTensors) =>
  spansOf(quantize(await memoryCheckpoint(config, tensors)));

function get(tensors: TestTensors, name: string): TestTensor {
  const found = tensors[name];
  if (!found) throw new Error(`no ${name}`);
  return found;
}

const joined = (parts: readonly TestTensor[], shape: readonly number[]): TestTensor => ({
  shape,
  values: Float32Array.from(parts.flatMap(({ values }) => [...values])),
});

/** Joins each layer's experts as transformers 5 does. */
function fuse(tensors: TestTensors, prefix: string, names: readonly [string, string, string]): TestTensors {
  const fused: Record<string, TestTensor> = {};
  const experts = new Map<string, string[]>();
  for (const [name, tensor] of Object.entries(tensors)) {
    const match = /^(model\.layers\.\d+)\.(.*)\.experts\.(\d+)\.(\w+)\.weight$/.exec(name);
    if (!match?.[1] || match[2] !== prefix || match[4] !== names[0]) {
      if (!match) fused[name] = tensor;
      continue;
    }
    experts.set(match[1], [...(experts.get(match[1]) ?? []), `${match[1]}.${prefix}.experts.${match[3]}`]);
  }
  for (const [layer, list] of experts) {
    const part = (expert: string, name: string) => get(tensors, `${expert}.${name}.weight`);
    const [width = 0, hidden = 0] = part(list[0] ?? "", names[0]).shape;
    fused[`${layer}.mlp.experts.gate_up_proj`] = joined(
      list.flatMap((e) => [part(e, names[0]), part(e, names[1])]),
      [list.length, 2 * width, hidden],
    );
    fused[`${layer}.mlp.experts.down_proj`] = joined(
      list.map((e) => part(e, names[2])),
      [list.length, hidden, width],
    );
  }
  return fused;
}

test.each<FamilyName>(["qwen2_moe", "qwen3_moe", "deepseek_v2", "deepseek_v3"])(
  "%s: fused experts seal to the bytes of classic ones",
  async (name) => {
    const classic = randomTensors(CONFIGS[name]);
    const fused = fuse(classic, "mlp", ["gate_proj", "up_proj", "down_proj"]);
    expect(Object.keys(fused).some((key) => key.endsWith("gate_up_proj"))).toBe(true);
    expect(await sealed(CONFIGS[name], fused)).toEqual(await sealed(CONFIGS[name], classic));
  },
);

test.each<FamilyName>(["mixtral", "oracle_moe"])(
  "%s: a fused block under another name seals to the bytes of the classic one",
  async (name) => {
    const classic = randomTensors(CONFIGS[name]);
    const renamed = Object.entries(fuse(classic, "block_sparse_moe", ["w1", "w3", "w2"])).map(([key, tensor]) => [
      key.replace("block_sparse_moe.gate", "mlp.gate"),
      tensor,
    ]);
    expect(await sealed(CONFIGS[name], Object.fromEntries(renamed))).toEqual(await sealed(CONFIGS[name], classic));
  },
);

test("a checkpoint with both layouts is refused: one of them would be ignored", async () => {
  const classic = randomTensors(CONFIGS.qwen3_moe);
  const both = { ...classic, ...fuse(classic, "mlp", ["gate_proj", "up_proj", "down_proj"]) };
  await expect(sealed(CONFIGS.qwen3_moe, both)).rejects.toMatchObject({
    code: "tensor",
    message: expect.stringMatching(/experts\.0\.down_proj\.weight .* is no part/),
  });
});

test("num_experts and num_local_experts are the same key", async () => {
  const { num_experts, ...rest } = CONFIGS.qwen3_moe;
  const tensors = randomTensors(CONFIGS.qwen3_moe);
  expect(await sealed({ ...rest, num_local_experts: num_experts }, tensors)).toEqual(
    await sealed(CONFIGS.qwen3_moe, tensors),
  );
});

/** Values that quantize to themselves: a 127 in each row fixes the scale at 1. */
const exact = (rows: number, columns: number, value: (row: number, column: number) => number): Float32Array =>
  Float32Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns));

async function int8(config: JsonObject, tensors: TestTensors, name: string, count: number): Promise<readonly number[]> {
  const span = (await sealed(config, tensors)).get(name);
  if (!span) throw new Error(`no ${name}`);
  return [...new Int8Array(span.buffer, span.byteOffset, count)];
}

test("GPT-OSS: even columns of [in, out] are the gate's rows, odd ones the up projection's", async () => {
  const name = "model.layers.1.mlp.experts.gate_up_proj";
  const tensors = randomTensors(CONFIGS.gpt_oss);
  // Element [expert, in, out] is its output column, but for the first input, which is 127.
  const values = Float32Array.from({ length: 3 * 16 * 12 }, (_, i) => (Math.floor(i / 12) % 16 === 0 ? 127 : i % 12));
  const change = { ...tensors, [name]: { shape: [3, 16, 12], values } };
  const row = (out: number) => [127, ...Array.from({ length: 15 }, () => out)];
  const at = "model.layers.1.mlp.experts.2";
  expect(await int8(CONFIGS.gpt_oss, change, `${at}.gate_proj.weight`, 96)).toEqual([0, 2, 4, 6, 8, 10].flatMap(row));
  expect(await int8(CONFIGS.gpt_oss, change, `${at}.up_proj.weight`, 96)).toEqual([1, 3, 5, 7, 9, 11].flatMap(row));
});

test("DeepSeek: kv_b_proj holds each head's key rows, then its value rows", async () => {
  const name = "model.layers.0.self_attn.kv_b_proj.weight";
  const values = exact(44, 8, (row, column) => (column === 0 ? 127 : row));
  const tensors = { ...randomTensors(CONFIGS.deepseek_v3), [name]: { shape: [44, 8], values } };
  const first = async (part: string, rows: number) =>
    (await int8(CONFIGS.deepseek_v3, tensors, `model.layers.0.self_attn.${part}.weight`, rows * 8)).filter(
      (_, i) => i % 8 === 1,
    );
  expect(await first("k_up_proj", 24)).toEqual([
    0, 1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16, 22, 23, 24, 25, 26, 27, 33, 34, 35, 36, 37, 38,
  ]);
  expect(await first("v_up_proj", 20)).toEqual([
    6, 7, 8, 9, 10, 17, 18, 19, 20, 21, 28, 29, 30, 31, 32, 39, 40, 41, 42, 43,
  ]);
});

test("vpMoE: linear_qkv holds for each group its queries, its key, its value", async () => {
  const name = "decoder.layers.1.self_attention.linear_qkv.weight";
  const values = exact(32, 16, (row, column) => (column === 0 ? 127 : row));
  const tensors = { ...randomTensors(CONFIGS.vpmoe), [name]: { shape: [32, 16], values } };
  const first = async (part: string, rows: number) =>
    (await int8(CONFIGS.vpmoe, tensors, `decoder.layers.1.self_attention.${part}.weight`, rows * 16)).filter(
      (_, i) => i % 16 === 1,
    );
  expect(await first("q_proj", 16)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
  expect(await first("k_proj", 8)).toEqual([8, 9, 10, 11, 24, 25, 26, 27]);
  expect(await first("v_proj", 8)).toEqual([12, 13, 14, 15, 28, 29, 30, 31]);
});

test("vpMoE: λ is the sigmoid of the logit, and a frequency the exponential of its logarithm", async () => {
  const logit = { shape: [], values: Float32Array.of(0.75) };
  const logs = { shape: [2], values: Float32Array.of(0, -24) };
  const tensors = {
    ...randomTensors(CONFIGS.vpmoe),
    "decoder.layers.2.self_attention.value_residual_logit": logit,
    "rotary_pos_emb.log_freq": logs,
  };
  const spans = await sealed(CONFIGS.vpmoe, tensors);
  const view = (name: string) => new DataView((spans.get(name) ?? new Uint8Array()).slice().buffer);
  expect(view("decoder.layers.2.self_attention.value_residual").getFloat32(0, true)).toBe(
    Math.fround(1 / (1 + Math.exp(-0.75))),
  );
  const turns = [0, 8].map((at) => Number(view("rotary_pos_emb.frequencies").getBigUint64(at, true)) / 2 ** 64);
  expect(turns[0]).toBeCloseTo(1 / (2 * Math.PI), 14);
  expect(turns[1]).toBeCloseTo(Math.exp(-1.5) / (2 * Math.PI), 14);
});

test("vpMoE: a logarithm that is no frequency's is refused", async () => {
  const logs = { shape: [2], values: Float32Array.of(0, 1e30) };
  const tensors = { ...randomTensors(CONFIGS.vpmoe), "rotary_pos_emb.log_freq": logs };
  await expect(sealed(CONFIGS.vpmoe, tensors)).rejects.toMatchObject({ code: "value", at: "rotary_pos_emb.log_freq" });
});

test("vpMoE: frequencies that no layer rotates by may be there, as the fork has them whatever the layers", async () => {
  const config = { ...CONFIGS.vpmoe, attention: { ...CONFIGS.vpmoe.attention, window_attn_skip_freq: 1 } };
  const tensors = randomTensors(config);
  expect(Object.keys(tensors)).not.toContain("rotary_pos_emb.log_freq");
  const logs = { shape: [2], values: Float32Array.of(0, -24) };
  const spans = await sealed(config, { ...tensors, "rotary_pos_emb.log_freq": logs });
  expect(spans).toEqual(await sealed(config, tensors));
  expect([...spans.keys()]).not.toContain("rotary_pos_emb.frequencies");
});

test("S7: linear weights are stored [in, out] and sealed [out, in]", async () => {
  const values = exact(16, 8, (input, output) => (input === 0 ? 127 : output));
  const tensors = { ...randomTensors(CONFIGS.s7_llm_moe), "trunk.proj.weight": { shape: [16, 8], values } };
  expect(await int8(CONFIGS.s7_llm_moe, tensors, "trunk.proj.weight", 128)).toEqual(
    [0, 1, 2, 3, 4, 5, 6, 7].flatMap((out) => [127, ...Array.from({ length: 15 }, () => out)]),
  );
});

test("Oracle: Hugging Face's keys and the seed's own give one fold", async () => {
  const keys = {
    hidden_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_local_experts: 3,
    num_experts_per_tok: 2,
    moe_intermediate_size: 8,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-5,
    partial_rotary_factor: 0.5,
    vocab_size: 24,
    rope_theta: 10000,
  };
  const own = quantize(await memoryCheckpoint(CONFIGS.oracle_moe, randomTensors(CONFIGS.oracle_moe)));
  const other = quantize(
    await memoryCheckpoint({ model_type: "oracle_moe", ...keys }, randomTensors(CONFIGS.oracle_moe)),
  );
  expect(other.fold).toEqual(own.fold);
  const [stage] = own.fold.stages;
  expect(stage?.kind === "layers" && stage.stack.kinds[0]?.attention).toMatchObject({
    keySize: 8,
    position: { kind: "rope", pairs: "half", offset: 0, dims: 4 },
  });
});

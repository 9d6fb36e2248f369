/** The shapes of the bench as models of llama.cpp, with random weights from a seed. */
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import type { Shape } from "../../packages/runtime/bench/shapes.ts";
import { type Fill, type Tensor, type Value, writeGguf } from "./gguf.ts";

const CONTEXT = 32_768;
const BYTE_TOKENS = 256;
/** What most of its tensors are. */
const FILE_TYPES = { f32: 0, q8_0: 7 };
const TOKEN_TYPES = { normal: 1, unknown: 2, control: 3, byte: 6 };

/** Makes the file unless it is there, its matrices of one type; a run that dies halfway leaves none. */
export function makeGguf(path: string, shape: Shape, type: Tensor["type"] = "q8_0"): void {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  const partial = `${path}.${process.pid}`;
  writeGguf(partial, metadataOf(shape, type), tensorsOf(shape, type), randomFill(1));
  renameSync(partial, path);
}

/** The tensors of a Llama, or of a Mixtral, which llama.cpp runs as a Llama with experts. */
function tensorsOf(
  { vocab, hidden, layers, heads, kvHeads, ffn, experts }: Shape,
  type: Tensor["type"],
): readonly Tensor[] {
  const norm = (name: string): Tensor => ({ name: `${name}.weight`, shape: [hidden], type: "f32" });
  const matrix = (name: string, columns: number, ...rows: readonly number[]): Tensor => ({
    name: `${name}.weight`,
    shape: [columns, ...rows],
    type,
  });
  const layer = (i: number): readonly Tensor[] => [
    norm(`blk.${i}.attn_norm`),
    matrix(`blk.${i}.attn_q`, hidden, hidden),
    matrix(`blk.${i}.attn_k`, hidden, (hidden / heads) * kvHeads),
    matrix(`blk.${i}.attn_v`, hidden, (hidden / heads) * kvHeads),
    matrix(`blk.${i}.attn_output`, hidden, hidden),
    norm(`blk.${i}.ffn_norm`),
    ...(experts
      ? [
          { name: `blk.${i}.ffn_gate_inp.weight`, shape: [hidden, experts.count], type: "f32" as const },
          matrix(`blk.${i}.ffn_gate_exps`, hidden, ffn, experts.count),
          matrix(`blk.${i}.ffn_up_exps`, hidden, ffn, experts.count),
          matrix(`blk.${i}.ffn_down_exps`, ffn, hidden, experts.count),
        ]
      : [
          matrix(`blk.${i}.ffn_gate`, hidden, ffn),
          matrix(`blk.${i}.ffn_up`, hidden, ffn),
          matrix(`blk.${i}.ffn_down`, ffn, hidden),
        ]),
  ];
  return [
    matrix("token_embd", hidden, vocab),
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    norm("output_norm"),
    matrix("output", hidden, vocab),
  ];
}

function metadataOf(
  { vocab, hidden, layers, heads, kvHeads, ffn, experts }: Shape,
  type: Tensor["type"],
): ReadonlyMap<string, Value> {
  const u32 = (value: number): Value => ({ type: "u32", value });
  const f32 = (value: number): Value => ({ type: "f32", value });
  const string = (value: string): Value => ({ type: "string", value });
  const tokens = ["<unk>", "<s>", "</s>"];
  for (let byte = 0; byte < BYTE_TOKENS; byte++) tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  while (tokens.length < vocab) tokens.push(`▁t${tokens.length}`);
  const { unknown, control, byte, normal } = TOKEN_TYPES;
  const types = tokens.map((_, i) => (i === 0 ? unknown : i < 3 ? control : i < 3 + BYTE_TOKENS ? byte : normal));
  return new Map<string, Value>([
    ["general.architecture", string("llama")],
    ["general.name", string("random")],
    ["general.quantization_version", u32(2)],
    ["general.file_type", u32(FILE_TYPES[type])],
    ["llama.vocab_size", u32(vocab)],
    ["llama.context_length", u32(CONTEXT)],
    ["llama.embedding_length", u32(hidden)],
    ["llama.block_count", u32(layers)],
    ["llama.feed_forward_length", u32(ffn)],
    ["llama.attention.head_count", u32(heads)],
    ["llama.attention.head_count_kv", u32(kvHeads)],
    ["llama.attention.layer_norm_rms_epsilon", f32(1e-5)],
    ["llama.rope.dimension_count", u32(hidden / heads)],
    ["llama.rope.freq_base", f32(10_000)],
    ...(experts
      ? ([
          ["llama.expert_count", u32(experts.count)],
          ["llama.expert_used_count", u32(experts.used)],
        ] as const)
      : []),
    ["tokenizer.ggml.model", string("llama")],
    ["tokenizer.ggml.tokens", { type: "strings", value: tokens }],
    ["tokenizer.ggml.scores", { type: "f32s", value: tokens.map((_, i) => -i) }],
    ["tokenizer.ggml.token_type", { type: "i32s", value: types }],
    ["tokenizer.ggml.unknown_token_id", u32(0)],
    ["tokenizer.ggml.bos_token_id", u32(1)],
    ["tokenizer.ggml.eos_token_id", u32(2)],
  ]);
}

/** Int8 uniform and a scale that keeps activations of ordinary size, as `randomSource` has for our engine; gains of one. */
function randomFill(seed: number): Fill {
  let state = seed;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  };
  return ({ shape, type }, { buffer, byteLength }) => {
    const columns = shape[0] ?? 1;
    const size = 1 / (74 * Math.sqrt(columns));
    if (type === "f32") {
      const values = new Float32Array(buffer);
      for (let i = 0; i < values.length; i++) values[i] = shape.length === 1 ? 1 : (next() >> 24) * size;
      return;
    }
    const words = new Uint16Array(buffer, 0, byteLength / 2);
    const scale = f16(size);
    for (let i = 0; i < words.length; i++) words[i] = i % 17 === 0 ? scale : next();
  };
}

/** Bits of a positive normal number as f16, its fraction cut off. */
function f16(x: number): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer)[0] ?? 0;
  return (((bits >>> 23) - 112) << 10) | ((bits >>> 13) & 0x3ff);
}

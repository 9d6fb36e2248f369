/** The shapes that performance is stated for, with random weights made on the spot. */
import { FOLD_NAME, type Fold, type Layer, spanLayout, tensorPlan } from "@s7l/format";
import type { TensorReader } from "../src/engine/wasm-engine.ts";

const f32 = (x: number): number => new Uint32Array(Float32Array.of(x).buffer)[0] ?? 0;

/** Sizes of a Llama, or with experts of a Mixtral. */
export interface Shape {
  readonly vocab: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly ffn: number;
  readonly experts?: { readonly count: number; readonly used: number };
}

/** About what s7-mini computes a token. */
export const MINI: Shape = { vocab: 4096, hidden: 192, layers: 6, heads: 6, kvHeads: 6, ffn: 512 };
/** The dense Llama of 151M parameters. */
export const DENSE: Shape = { vocab: 24_576, hidden: 768, layers: 12, heads: 12, kvHeads: 12, ffn: 3072 };
/** The Mixtral of 1.0B parameters, 310M of them in use a token. */
export const MIXTURE: Shape = {
  vocab: 32_000,
  hidden: 1024,
  layers: 16,
  heads: 16,
  kvHeads: 8,
  ffn: 2240,
  experts: { count: 8, used: 2 },
};

/** The fold of a Llama or Mixtral of this shape. */
export function foldOf({ vocab, hidden, layers, heads, kvHeads, ffn, experts }: Shape): Fold {
  const size = hidden / heads;
  const linear = (name: string) => ({ tensor: `l{layer}.${name}` });
  const norm = (gain: string) => ({ kind: "rms" as const, eps: f32(1e-5), gain });
  const gated = (prefix: string) => ({
    kind: "gated" as const,
    activation: "silu" as const,
    width: ffn,
    gate: linear(`${prefix}gate`),
    up: linear(`${prefix}up`),
    down: linear(`${prefix}down`),
  });
  const layer: Layer = {
    attentionNorm: norm("l{layer}.attention_norm"),
    attention: {
      heads,
      kvHeads,
      keySize: size,
      valueSize: size,
      scale: f32(1 / Math.sqrt(size)),
      project: { kind: "qkv", q: linear("q"), k: linear("k"), v: linear("v"), o: linear("o") },
      position: { kind: "rope", pairs: "half", offset: 0, dims: size, frequencies: "frequencies", magnitude: f32(1) },
    },
    ffnNorm: norm("l{layer}.ffn_norm"),
    ffn: experts
      ? {
          kind: "experts",
          ...experts,
          router: { linear: linear("router"), score: "softmax", weights: "normalised", scale: f32(1) },
          expert: gated("e{expert}."),
        }
      : gated(""),
  };
  return {
    fold: FOLD_NAME,
    version: 1,
    vocab,
    context: 32_768,
    width: hidden,
    embedding: "embedding",
    stages: [{ kind: "layers", stack: { kinds: [layer], order: Array<number>(layers).fill(0) } }],
    head: { kind: "linear", norm: norm("norm"), linear: { tensor: "head" } },
  };
}

/** A source of random weights: int8 uniform, scales that keep activations of ordinary size. */
export function randomSource(fold: Fold): TensorReader {
  const plan = new Map(tensorPlan(fold).map((tensor) => [tensor.name, tensor]));
  let state = 1;
  const readInto = async (name: string, target: Uint8Array): Promise<void> => {
    const tensor = plan.get(name);
    if (!tensor) throw new Error(`no tensor ${name}`);
    const layout = spanLayout(tensor);
    const [rows = 0, columns = 0] = tensor.shape;
    const view = new DataView(target.buffer, target.byteOffset, target.length);
    if (tensor.dtype === "f32") for (let i = 0; i < rows; i++) view.setFloat32(i * 4, 1, true);
    else if (tensor.dtype === "u64") {
      for (let i = 0; i < rows; i++)
        view.setBigUint64(i * 8, BigInt(Math.round((10_000 ** (-i / rows) / (2 * Math.PI)) * 2 ** 60)) << 4n, true);
    } else {
      const words = new Int32Array(target.buffer, target.byteOffset, Math.floor(layout.scales / 4));
      for (let i = 0; i < words.length; i++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        words[i] = (state & 0x7e7f7e7f) ^ 0xff00ff00; // bytes of 0 to 127 and of -127 to -1 in turns
      }
      for (let r = 0; r < rows; r++) view.setFloat32(layout.scales + r * 4, 1 / (74 * Math.sqrt(columns)), true);
    }
  };
  return {
    fold,
    readInto,
    read: async (name) => {
      const tensor = plan.get(name);
      if (!tensor) throw new Error(`no tensor ${name}`);
      const span = new Uint8Array(spanLayout(tensor).size);
      await readInto(name, span);
      return span;
    },
  };
}

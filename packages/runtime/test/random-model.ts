/** Random folds of every mechanism with random weights, from a seed: what engines are compared on. */
import {
  type Attention,
  type ExpertFfn,
  type Ffn,
  FOLD_NAME,
  type Fold,
  type Layer,
  type Norm,
  type PlannedTensor,
  type Stage,
  spanLayout,
  tensorPlan,
} from "@s7l/format";

/** A source of tensors, as engines and the interpreter read them. */
export interface RandomModel {
  readonly fold: Fold;
  readonly read: (name: string) => Promise<Uint8Array>;
}

/** How large the reals of a model are: `plain` like trained ones, `extreme` with zeros and many powers of two between rows. */
export type Temper = "plain" | "extreme";

/** Integers and choices from a 32-bit seed (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** 32 random bits. */
  bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** An integer of [from, to]. */
  between(from: number, to: number): number {
    return from + (this.bits() % (to - from + 1));
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.between(0, items.length - 1)] ?? items[0];
  }

  chance(of: number): boolean {
    return this.bits() % of === 0;
  }
}

/** f32 bits of a number. */
export const f32 = (x: number): number => new Uint32Array(Float32Array.of(x).buffer)[0] ?? 0;

/** What a model must have; the rest is drawn. */
export interface Wish {
  readonly project?: Attention["project"]["kind"];
  readonly position?: Attention["position"]["kind"];
  readonly ffn?: Ffn["kind"];
  readonly activation?: string;
  readonly routed?: boolean;
  readonly temper?: Temper;
  /** Of the stream and every FFN. */
  readonly width?: number;
  readonly context?: number;
}

/** A random model. */
export function randomModel(seed: number, wish: Wish = {}): RandomModel {
  const dice = new Dice(seed);
  const fold = new FoldMaker(dice, wish).fold();
  const spans = new Map<string, Uint8Array>();
  const temper = wish.temper ?? "plain";
  for (const tensor of tensorPlan(fold)) spans.set(tensor.name, randomSpan(dice, tensor, temper));
  return {
    fold,
    read: async (name) => {
      const span = spans.get(name);
      if (!span) throw new Error(`no tensor ${name}`);
      return span;
    },
  };
}

class FoldMaker {
  readonly #dice: Dice;
  readonly #wish: Wish;
  #names = 0;

  constructor(dice: Dice, wish: Wish) {
    this.#dice = dice;
    this.#wish = wish;
  }

  fold(): Fold {
    const dice = this.#dice;
    const width = this.width();
    const routed = this.#wish.routed ?? false;
    const stages: Stage[] = [{ kind: "layers", stack: this.stack(width, "t{layer}", 2, false) }];
    let out = width;
    if (routed) {
      const inner = this.width();
      stages.push({ kind: "project", ...optional("norm", this.norm("", 2)), linear: this.linear("", 2), width: inner });
      const project = dice.chance(2);
      out = project ? width : inner;
      stages.push({
        kind: "routed",
        experts: 3,
        stack: this.stack(inner, "e{expert}.l{layer}", 2, true),
        ...optional("norm", this.norm("e{expert}", 2)),
        ...(project ? { project: { linear: this.linear("e{expert}", 2), width } } : {}),
      });
    }
    const tied = out === width && dice.chance(2);
    return {
      fold: FOLD_NAME,
      version: 1,
      vocab: dice.between(5, 60),
      context: this.#wish.context ?? 400,
      width,
      embedding: "embedding",
      stages,
      head: tied
        ? { kind: "tied", ...optional("norm", this.norm("", 4)) }
        : { kind: "linear", ...optional("norm", this.norm("", 4)), linear: this.linear("", 3) },
    };
  }

  width(): number {
    return this.#wish.width ?? this.#dice.pick([8, 12, 16, 20, 31, 32, 48, 65]);
  }

  name(prefix: string): string {
    return `${prefix}.x${this.#names++}`;
  }

  linear(prefix: string, biasChance: number) {
    return { tensor: this.name(prefix), ...(this.#dice.chance(biasChance) ? { bias: this.name(prefix) } : {}) };
  }

  norm(prefix: string, absent: number): Norm | undefined {
    if (this.#dice.chance(absent)) return undefined;
    return this.someNorm(prefix);
  }

  someNorm(prefix: string): Norm {
    const eps = f32(this.#dice.pick([1e-5, 1e-6, 0, 0.5, 1e-12]));
    const gain = this.name(prefix);
    if (this.#dice.chance(2)) return { kind: "rms", eps, gain };
    return { kind: "layer", eps, gain, ...(this.#dice.chance(2) ? { bias: this.name(prefix) } : {}) };
  }

  stack(width: number, prefix: string, count: number, inRouted: boolean) {
    const kinds: Layer[] = [];
    for (let i = 0; i < count; i++) kinds.push(this.layer(width, `${prefix}k${i}`, kinds[0], inRouted));
    return { kinds, order: [0, 1, this.#dice.between(0, 1)] };
  }

  layer(_width: number, prefix: string, first: Layer | undefined, inRouted: boolean): Layer {
    const attention = this.attention(prefix, first?.attention, inRouted);
    return {
      ...optional("attentionNorm", this.norm(prefix, 4)),
      attention,
      ...optional("ffnNorm", this.norm(prefix, 4)),
      ffn: this.ffn(prefix, inRouted),
    };
  }

  attention(prefix: string, first: Attention | undefined, inRouted: boolean): Attention {
    const dice = this.#dice;
    const kind = this.#wish.project ?? dice.pick(["qkv", "qkv", "mla", "tpa"]);
    const residual = first !== undefined && dice.chance(2);
    let kvHeads = residual ? first.kvHeads : dice.between(1, 3);
    let heads = kvHeads * (kind === "mla" ? 1 : dice.between(1, 3));
    let keySize = dice.pick([2, 4, 6, 8, 10, 16, 24, 36]);
    let valueSize = residual ? first.valueSize : dice.pick([2, 5, 8, 12, 16, 20, 33]);
    if (kind === "tpa") {
      if (residual) keySize = valueSize;
      else valueSize = keySize;
    }
    const nope = dice.between(1, 7);
    const ropePart = dice.pick([2, 4, 6, 8]);
    if (kind === "mla") {
      keySize = nope + ropePart;
      heads = kvHeads;
    }
    if (kvHeads < 1) kvHeads = 1;
    const wanted = this.#wish.position ?? dice.pick(["rope", "rope", "alibi", "none"]);
    const positional = keySize < 2 || (inRouted && wanted === "alibi") ? "none" : wanted;
    const dims = 2 * dice.between(1, Math.floor(keySize / 2));
    const position: Attention["position"] =
      positional === "rope"
        ? kind === "mla"
          ? this.rope(prefix, nope, ropePart)
          : this.rope(prefix, dice.between(0, keySize - dims), dims)
        : positional === "alibi"
          ? { kind: "alibi", slopes: `slopes.${heads}` }
          : { kind: "none" };
    const project: Attention["project"] =
      kind === "qkv"
        ? {
            kind,
            q: this.linear(prefix, 2),
            k: this.linear(prefix, 2),
            v: this.linear(prefix, 2),
            o: this.linear(prefix, 2),
            ...optional("qNorm", this.norm(prefix, 2)),
            ...optional("kNorm", this.norm(prefix, 2)),
          }
        : kind === "mla"
          ? {
              kind,
              nope,
              rope: ropePart,
              kvRank: dice.between(3, 20),
              ...(dice.chance(2)
                ? {
                    qDown: {
                      rank: dice.between(3, 20),
                      linear: this.linear(prefix, 2),
                      norm: this.someNorm(prefix),
                    },
                  }
                : {}),
              qUp: this.linear(prefix, 2),
              kvDown: this.linear(prefix, 2),
              kvNorm: this.someNorm(prefix),
              kRope: this.linear(prefix, 2),
              kUp: this.linear(prefix, 2),
              vUp: this.linear(prefix, 2),
              o: this.linear(prefix, 2),
            }
          : {
              kind,
              qRank: dice.between(1, 5),
              rank: dice.between(1, 3),
              aq: this.name(prefix),
              ak: this.name(prefix),
              av: this.name(prefix),
              bq: this.name(prefix),
              bk: this.name(prefix),
              bv: this.name(prefix),
              ...(dice.chance(2) ? { qBias: this.name(prefix) } : {}),
              ...(dice.chance(2) ? { kBias: this.name(prefix) } : {}),
              ...(dice.chance(2) ? { vBias: this.name(prefix) } : {}),
              o: this.linear(prefix, 2),
              ...optional("qNorm", this.norm(prefix, 2)),
              ...optional("kNorm", this.norm(prefix, 2)),
            };
    return {
      heads,
      kvHeads,
      keySize,
      valueSize,
      scale: f32(dice.pick([1 / Math.sqrt(keySize), 1, 0.02, 300])),
      ...(!inRouted && dice.chance(2) ? { window: dice.pick([1, 3, 40, 100]) } : {}),
      project,
      position,
      ...(dice.chance(3) ? { sinks: this.name(prefix) } : {}),
      ...(residual ? { valueResidual: this.name(prefix) } : {}),
    };
  }

  rope(_prefix: string, offset: number, dims: number): Attention["position"] {
    return {
      kind: "rope",
      pairs: this.#dice.pick(["half", "interleaved"]),
      offset,
      dims,
      frequencies: `frequencies.${dims}`,
      magnitude: f32(this.#dice.pick([1, 1, 1.3465735, 0, 3.9])),
    };
  }

  ffn(prefix: string, inRouted: boolean): Ffn {
    const kind = this.#wish.ffn ?? this.#dice.pick(["gated", "clamped", "plain", "experts"]);
    if (kind !== "experts") return this.expert(prefix, kind);
    if (inRouted) return this.expert(prefix, "gated");
    const dice = this.#dice;
    const count = dice.pick([4, 6, 12]);
    const grouped = dice.chance(2);
    const groups = { count: 2, used: dice.between(1, 2), top: dice.between(1, count / 2) };
    const reach = grouped ? (groups.used * count) / 2 : count;
    return {
      kind,
      count,
      used: dice.between(1, Math.min(reach, 4)),
      router: {
        linear: this.linear(prefix, 2),
        score: dice.pick(["softmax", "sigmoid"]),
        ...(dice.chance(2) ? { selectionBias: this.name(prefix) } : {}),
        ...(grouped ? { groups } : {}),
        weights: dice.pick(["raw", "normalised"]),
        scale: f32(dice.pick([1, 2.5, 0.1])),
      },
      expert: this.expert(`${prefix}.e{expert}`, dice.pick(["gated", "clamped", "plain"])),
      ...(dice.chance(2)
        ? {
            shared: {
              ffn: this.expert(prefix, dice.pick(["gated", "plain"])),
              ...(dice.chance(2) ? { gate: this.linear(prefix, 2) } : {}),
            },
          }
        : {}),
    };
  }

  expert(prefix: string, kind: ExpertFfn["kind"]): ExpertFfn {
    const dice = this.#dice;
    const width = this.width();
    const wished = this.#wish.activation;
    switch (kind) {
      case "plain": {
        const all = ["geluErf", "geluTanh", "relu", "relu2", "silu"] as const;
        const activation = all.find((a) => a === wished) ?? dice.pick(all);
        return { kind, activation, width, fc1: this.linear(prefix, 2), fc2: this.linear(prefix, 2) };
      }
      case "clamped":
        return {
          kind,
          alpha: f32(1.702),
          limit: f32(dice.pick([7, 0.01, 0])),
          width,
          gate: this.linear(prefix, 2),
          up: this.linear(prefix, 2),
          down: this.linear(prefix, 2),
        };
      case "gated": {
        const all = ["silu", "geluTanh", "geluErf", "relu"] as const;
        return {
          kind,
          activation: all.find((a) => a === wished) ?? dice.pick(all),
          width,
          gate: this.linear(prefix, 2),
          up: this.linear(prefix, 2),
          down: this.linear(prefix, 2),
        };
      }
    }
  }
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  const entry: { [P in K]?: V } = {};
  if (value !== undefined) entry[key] = value;
  return entry;
}

/** A span of random content that verify would accept. */
export function randomSpan(dice: Dice, tensor: PlannedTensor, temper: Temper): Uint8Array {
  const layout = spanLayout(tensor);
  const span = new Uint8Array(layout.size);
  const view = new DataView(span.buffer);
  const [rows = 0, columns = 0] = tensor.shape;
  const extreme = temper === "extreme";
  switch (tensor.dtype) {
    case "f32":
      for (let i = 0; i < rows; i++) {
        const sign = dice.chance(2) ? -1 : 1;
        const size = extreme ? dice.pick([0, 1e-30, 1e-3, 1, 1, 1, 200]) : 1;
        view.setFloat32(i * 4, sign * size * (dice.between(1, 4000) / 2000), true);
      }
      break;
    case "u64":
      for (let i = 0; i < rows; i++) view.setBigUint64(i * 8, (BigInt(dice.bits()) << 28n) >> BigInt(i), true);
      break;
    case "i8":
    case "i8x2":
      for (let r = 0; r < rows; r++) {
        const zero = extreme && dice.chance(7);
        const full = extreme && dice.chance(5);
        for (let c = 0; c < columns; c++) {
          const w = zero ? 0 : full ? 127 : dice.between(-127, 127);
          view.setInt8(r * columns + c, w);
          if (layout.plane > 0) view.setInt8(layout.plane + r * columns + c, zero ? 0 : dice.between(-127, 127));
        }
        const size = extreme ? dice.pick([1, 1, 1e-6, 1e6, 1e-38]) : 1;
        const scale = zero ? 0 : (size * dice.between(1, 4000)) / 4000 / 40;
        view.setFloat32(layout.scales + r * 4, scale, true);
      }
      break;
  }
  return span;
}

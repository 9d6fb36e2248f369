/**
 * A test tool: what a fold means in real numbers, position by position in float64, written from the doc comments of
 * `@s7l/format`'s fold and from nothing else. It finds a wrong lowering at once, and is the oracle for the integers' quality.
 */
import {
  type Attention,
  type ExpertFfn,
  type ExpertsFfn,
  type Ffn,
  type Fold,
  type Linear,
  type Norm,
  type Router,
  type Stack,
  tensorNameAt,
} from "@s7l/format";

/** Gives a tensor by its sealed name: matrices row by row, frequencies in turns a position. */
export type FloatTensors = (name: string) => Float64Array;

type Vector = Float64Array;

interface Scope {
  readonly layer?: number;
  readonly expert?: number;
}

/** Keys and values of one layer, one vector of all heads a slot, with the slot's position. */
interface Cache {
  readonly keys: Vector[];
  readonly values: Vector[];
}

const realOf = (bits: number): number => new Float32Array(Uint32Array.of(bits).buffer)[0] ?? 0;

/** Logits of every position. `routes`: the expert of each position, for a fold with a routed stage. */
export function runFold(
  fold: Fold,
  tensors: FloatTensors,
  ids: readonly number[],
  routes: readonly number[] = [],
): readonly Vector[] {
  const caches = new Map<string, Cache>();
  return ids.map((id, position) => new Step(fold, tensors, caches, position, routes[position]).logits(id));
}

class Step {
  readonly fold: Fold;
  readonly tensors: FloatTensors;
  readonly caches: Map<string, Cache>;
  readonly position: number;
  readonly route: number | undefined;

  constructor(
    fold: Fold,
    tensors: FloatTensors,
    caches: Map<string, Cache>,
    position: number,
    route: number | undefined,
  ) {
    this.fold = fold;
    this.tensors = tensors;
    this.caches = caches;
    this.position = position;
    this.route = route;
  }

  logits(id: number): Vector {
    const { fold } = this;
    let x: Vector = this.tensors(fold.embedding).slice(id * fold.width, (id + 1) * fold.width);
    for (const [i, stage] of fold.stages.entries()) {
      if (stage.kind === "layers") x = this.stack(stage.stack, x, {}, `${i}`);
      else if (stage.kind === "project") x = this.linear(this.norm(x, stage.norm, {}), stage.linear, {});
      else {
        const expert = this.route;
        if (expert === undefined) throw new Error("this fold needs a route for each position");
        x = this.norm(this.stack(stage.stack, x, { expert }, `${i}:${expert}`), stage.norm, { expert });
        if (stage.project) x = this.linear(x, stage.project.linear, { expert });
      }
    }
    x = this.norm(x, fold.head.norm, {});
    return this.linear(x, fold.head.kind === "tied" ? { tensor: fold.embedding } : fold.head.linear, {});
  }

  stack(stack: Stack, x: Vector, scope: Scope, place: string): Vector {
    let first: Vector | undefined;
    for (const [layer, kind] of stack.order.entries()) {
      const { attentionNorm, attention, ffnNorm, ffn } = at(stack.kinds, kind);
      const here = { ...scope, layer };
      const key = `${place}:${layer}`;
      const cache = this.caches.get(key) ?? { keys: [], values: [] };
      this.caches.set(key, cache);
      const mixed = this.attention(this.norm(x, attentionNorm, here), attention, here, cache, first);
      first ??= mixed.values;
      x = sum(x, mixed.output);
      x = sum(x, this.ffn(this.norm(x, ffnNorm, here), ffn, here));
    }
    return x;
  }

  tensor(pattern: string, { layer, expert }: Scope): Vector {
    return this.tensors(tensorNameAt(pattern, layer, expert));
  }

  linear(x: Vector, { tensor, bias }: Linear, scope: Scope): Vector {
    const w = this.tensor(tensor, scope);
    const y = new Float64Array(w.length / x.length);
    for (let o = 0; o < y.length; o++) {
      // Typed without checks: this loop is nearly all the time.
      let total = 0;
      for (let i = 0, from = o * x.length; i < x.length; i++) total += (w[from + i] ?? 0) * (x[i] ?? 0);
      y[o] = total;
    }
    return bias === undefined ? y : sum(y, this.tensor(bias, scope));
  }

  norm(x: Vector, norm: Norm | undefined, scope: Scope): Vector {
    if (!norm) return x;
    const mean = norm.kind === "layer" ? x.reduce((a, b) => a + b, 0) / x.length : 0;
    const centred = x.map((value) => value - mean);
    const square = centred.reduce((a, b) => a + b * b, 0) / x.length;
    const gain = this.tensor(norm.gain, scope);
    const y = centred.map((value, i) => (value / Math.sqrt(square + realOf(norm.eps))) * at(gain, i));
    return norm.kind === "layer" && norm.bias !== undefined ? sum(y, this.tensor(norm.bias, scope)) : y;
  }

  attention(
    x: Vector,
    a: Attention,
    scope: Scope,
    cache: Cache,
    first: Vector | undefined,
  ): { readonly output: Vector; readonly values: Vector } {
    const { q, k, v } = this.project(x, a, scope);
    if (a.position.kind === "rope") {
      for (let h = 0; h < a.heads; h++) this.rotate(q.subarray(h * a.keySize, (h + 1) * a.keySize), a, scope);
      for (let h = 0; h < a.kvHeads; h++) this.rotate(k.subarray(h * a.keySize, (h + 1) * a.keySize), a, scope);
    }
    const mix = a.valueResidual === undefined ? 1 : at(this.tensor(a.valueResidual, scope), 0);
    const values = mix === 1 ? v : v.map((value, i) => mix * value + (1 - mix) * at(first ?? v, i));
    cache.keys.push(k);
    cache.values.push(values);
    const slopes = a.position.kind === "alibi" ? this.tensor(a.position.slopes, scope) : undefined;
    const sinks = a.sinks === undefined ? undefined : this.tensor(a.sinks, scope);
    const context = new Float64Array(a.heads * a.valueSize);
    const last = cache.keys.length - 1;
    const start = a.window === undefined ? 0 : Math.max(0, last - a.window + 1);
    for (let h = 0; h < a.heads; h++) {
      const group = Math.floor((h * a.kvHeads) / a.heads);
      const query = q.subarray(h * a.keySize, (h + 1) * a.keySize);
      const scores: number[] = [];
      for (let j = start; j <= last; j++) {
        const key = at(cache.keys, j).subarray(group * a.keySize, (group + 1) * a.keySize);
        scores.push(dot(query, key) * realOf(a.scale) - (slopes ? at(slopes, h) * (last - j) : 0));
      }
      const extra = sinks ? [at(sinks, h)] : [];
      const weights = softmax([...scores, ...extra]);
      for (let j = start; j <= last; j++) {
        const value = at(cache.values, j).subarray(group * a.valueSize, (group + 1) * a.valueSize);
        const weight = at(weights, j - start);
        const from = h * a.valueSize;
        for (let d = 0; d < a.valueSize; d++) context[from + d] = (context[from + d] ?? 0) + weight * (value[d] ?? 0);
      }
    }
    return { output: this.linear(context, a.project.o, scope), values };
  }

  project(x: Vector, a: Attention, scope: Scope): { readonly q: Vector; readonly k: Vector; readonly v: Vector } {
    const p = a.project;
    switch (p.kind) {
      case "qkv": {
        const q = this.heads(this.linear(x, p.q, scope), a.heads, p.qNorm, scope);
        const k = this.heads(this.linear(x, p.k, scope), a.kvHeads, p.kNorm, scope);
        return { q, k, v: this.linear(x, p.v, scope) };
      }
      case "mla": {
        const down = p.qDown ? this.norm(this.linear(x, p.qDown.linear, scope), p.qDown.norm, scope) : x;
        const latent = this.norm(this.linear(x, p.kvDown, scope), p.kvNorm, scope);
        const turned = this.linear(x, p.kRope, scope);
        const still = this.linear(latent, p.kUp, scope);
        const k = new Float64Array(a.heads * a.keySize);
        for (let h = 0; h < a.heads; h++) {
          k.set(still.subarray(h * p.nope, (h + 1) * p.nope), h * a.keySize);
          k.set(turned, h * a.keySize + p.nope);
        }
        return { q: this.linear(down, p.qUp, scope), k, v: this.linear(latent, p.vUp, scope) };
      }
      case "tpa": {
        const part = (count: number, rank: number, left: string, right: string, bias: string | undefined): Vector => {
          const l = this.linear(x, { tensor: left }, scope);
          const r = this.linear(x, { tensor: right }, scope);
          const size = r.length / rank;
          const y = new Float64Array(count * size);
          for (let h = 0; h < count; h++)
            for (let i = 0; i < rank; i++)
              for (let d = 0; d < size; d++)
                y[h * size + d] = at(y, h * size + d) + (at(l, h * rank + i) * at(r, i * size + d)) / rank;
          return bias === undefined ? y : sum(y, this.tensor(bias, scope));
        };
        const q = this.heads(part(a.heads, p.qRank, p.aq, p.bq, p.qBias), a.heads, p.qNorm, scope);
        const k = this.heads(part(a.kvHeads, p.rank, p.ak, p.bk, p.kBias), a.kvHeads, p.kNorm, scope);
        return { q, k, v: part(a.kvHeads, p.rank, p.av, p.bv, p.vBias) };
      }
    }
  }

  /** Applies a norm to each head. */
  heads(x: Vector, count: number, norm: Norm | undefined, scope: Scope): Vector {
    const size = x.length / count;
    const y = new Float64Array(x.length);
    for (let h = 0; h < count; h++) y.set(this.norm(x.slice(h * size, (h + 1) * size), norm, scope), h * size);
    return y;
  }

  rotate(head: Vector, { position: rope }: Attention, scope: Scope): void {
    if (rope.kind !== "rope") return;
    const turns = this.tensor(rope.frequencies, scope);
    const half = rope.dims / 2;
    for (let i = 0; i < half; i++) {
      const angle = 2 * Math.PI * ((at(turns, i) * this.position) % 1);
      const [c, s] = [Math.cos(angle) * realOf(rope.magnitude), Math.sin(angle) * realOf(rope.magnitude)];
      const first = rope.offset + (rope.pairs === "half" ? i : 2 * i);
      const second = rope.offset + (rope.pairs === "half" ? i + half : 2 * i + 1);
      const [a, b] = [at(head, first), at(head, second)];
      head[first] = a * c - b * s;
      head[second] = b * c + a * s;
    }
  }

  ffn(x: Vector, ffn: Ffn, scope: Scope): Vector {
    return ffn.kind === "experts" ? this.experts(x, ffn, scope) : this.expert(x, ffn, scope);
  }

  expert(x: Vector, ffn: ExpertFfn, scope: Scope): Vector {
    if (ffn.kind === "plain")
      return this.linear(this.linear(x, ffn.fc1, scope).map(activations[ffn.activation]), ffn.fc2, scope);
    const gate = this.linear(x, ffn.gate, scope);
    const up = this.linear(x, ffn.up, scope);
    if (ffn.kind === "gated")
      return this.linear(
        gate.map((g, i) => activations[ffn.activation](g) * at(up, i)),
        ffn.down,
        scope,
      );
    const limit = realOf(ffn.limit);
    const inner = gate.map((value, i) => {
      const g = Math.min(value, limit);
      const u = Math.min(Math.max(at(up, i), -limit), limit);
      return (u + 1) * g * sigmoid(realOf(ffn.alpha) * g);
    });
    return this.linear(inner, ffn.down, scope);
  }

  experts(x: Vector, { used, router, expert, shared }: ExpertsFfn, scope: Scope): Vector {
    const logits = this.linear(x, router.linear, scope);
    const bias = router.selectionBias === undefined ? undefined : this.tensor(router.selectionBias, scope);
    let y: Vector = new Float64Array(x.length);
    for (const { index, weight } of choose(router, used, logits, bias)) {
      const part = this.expert(x, expert, { ...scope, expert: index });
      y = sum(
        y,
        part.map((value) => weight * value),
      );
    }
    if (!shared) return y;
    const gate = shared.gate ? sigmoid(at(this.linear(x, shared.gate, scope), 0)) : 1;
    return sum(
      y,
      this.ffn(x, shared.ffn, scope).map((value) => gate * value),
    );
  }
}

/** The chosen experts in ascending index, with their weights. */
function choose(
  router: Router,
  used: number,
  logits: Vector,
  bias: Vector | undefined,
): readonly { readonly index: number; readonly weight: number }[] {
  const scores = router.score === "softmax" ? softmax([...logits]) : [...logits].map(sigmoid);
  const values = scores.map((score, i) => score + (bias ? at(bias, i) : 0));
  const chosen = best(values, used, members(router, values)).sort((a, b) => a - b);
  const total = router.weights === "normalised" ? chosen.reduce((n, i) => n + at(scores, i), 0) : 1;
  return chosen.map((index) => ({ index, weight: (at(scores, index) / total) * realOf(router.scale) }));
}

function members({ groups }: Router, values: readonly number[]): readonly number[] {
  const all = values.map((_, i) => i);
  if (!groups) return all;
  const size = values.length / groups.count;
  const lists = Array.from({ length: groups.count }, (_, g) => all.slice(g * size, (g + 1) * size));
  const worth = lists.map((list) => best(values, groups.top, list).reduce((n, i) => n + at(values, i), 0));
  return best(
    worth,
    groups.used,
    lists.map((_, g) => g),
  ).flatMap((g) => at(lists, g));
}

const best = (values: readonly number[], count: number, among: readonly number[]): number[] =>
  [...among].sort((a, b) => at(values, b) - at(values, a) || a - b).slice(0, count);

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const activations: Readonly<Record<"silu" | "relu" | "relu2" | "geluErf" | "geluTanh", (x: number) => number>> = {
  silu: (x) => x * sigmoid(x),
  relu: (x) => Math.max(x, 0),
  relu2: (x) => Math.max(x, 0) ** 2,
  geluErf: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  geluTanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

/** Maclaurin's series: within 1e-9 for |x| < 4, beyond which erf is 1 to 2e-8. */
function erf(x: number): number {
  if (Math.abs(x) >= 4) return Math.sign(x);
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-17; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

function softmax(x: readonly number[]): number[] {
  const max = x.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = x.map((value) => Math.exp(value - max));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((value) => value / total);
}

function dot(a: Vector, b: Vector): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += (a[i] ?? 0) * (b[i] ?? 0);
  return total;
}

const sum = (a: Vector, b: Vector): Vector => a.map((value, i) => value + at(b, i));

function at<T>(list: { readonly [index: number]: T }, index: number): T {
  const value = list[index];
  if (value === undefined) throw new RangeError(`nothing at ${index}`);
  return value;
}

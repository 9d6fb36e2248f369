/**
 * `tensorPlan(fold)`: every tensor that a fold implies, with its dtype, shape and component, in the order in which they are
 * sealed (ascending UTF-8 bytes of the name). Quantize produces this list, pack seals it, verify holds the sealed table
 * to it, the runtime reads by it.
 */
import { FormatError } from "../errors.ts";
import type { Attention, ExpertFfn, Ffn, Fold, Layer, Linear, Norm, Stack } from "./fold.ts";
import { MAX_WIDTH } from "./fold.ts";
import { staysInRange } from "./growth.ts";

/**
 * `i8`: int8 rows with one f32 scale each. `i8x2`: two int8 planes with one scale, w = scale / 254 · (254 · hi + lo) (routers).
 * `f32`: IEEE bits that the runtime reads as integers. `u64`: fixed-point fractions of a turn.
 */
export type Dtype = "i8" | "i8x2" | "f32" | "u64";

export interface PlannedTensor {
  readonly name: string;
  readonly dtype: Dtype;
  /** [out, in] for matrices, [n] for vectors. */
  readonly shape: readonly number[];
  /** The sub-root it belongs to: `embedding`, `trunk`, `head` or `expert{e}`. */
  readonly component: string;
}

/** The header's own bound: no artifact holds more tensors. */
export const MAX_TENSORS = 1 << 20;

interface Scope {
  readonly layer?: number;
  readonly expert?: number;
  readonly component: string;
}

/** Resolves `{layer}` and `{expert}` in a name. */
export function tensorNameAt(pattern: string, layer?: number, expert?: number): string {
  let name = pattern;
  if (layer !== undefined) name = name.replaceAll("{layer}", String(layer));
  if (expert !== undefined) name = name.replaceAll("{expert}", String(expert));
  return name;
}

class Plan {
  readonly tensors = new Map<string, PlannedTensor>();
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** `shared`: the same constant may be named by several layers. */
  add(pattern: string, dtype: Dtype, shape: readonly number[], scope: Scope, shared = false): void {
    const name = tensorNameAt(pattern, scope.layer, scope.expert);
    if (/[{}]/.test(name)) refuse(name, "has a placeholder that its place in the fold does not fill");
    if (name.length > 512) refuse(name, "is longer than 512 bytes");
    const component = shared ? "trunk" : scope.component;
    const known = this.tensors.get(name);
    if (known) {
      if (shared && known.dtype === dtype && String(known.shape) === String(shape)) return;
      refuse(name, "is used for two purposes");
    }
    if (this.tensors.size >= this.limit) refuse(name, `is one tensor more than the ${this.limit} there may be`);
    this.tensors.set(name, { name, dtype, shape, component });
  }

  vector(name: string | undefined, length: number, scope: Scope): void {
    if (name !== undefined) this.add(name, "f32", [length], scope);
  }

  linear(linear: Linear, inputs: number, outputs: number, scope: Scope, dtype: Dtype = "i8"): void {
    this.add(linear.tensor, dtype, [outputs, inputs], scope);
    this.vector(linear.bias, outputs, scope);
  }

  norm(norm: Norm | undefined, width: number, scope: Scope): void {
    if (!norm) return;
    this.vector(norm.gain, width, scope);
    if (norm.kind === "layer") this.vector(norm.bias, width, scope);
  }

  attention(a: Attention, width: number, scope: Scope): void {
    const queries = wide(a.heads * a.keySize, "heads · keySize");
    const keys = wide(a.kvHeads * a.keySize, "kvHeads · keySize");
    const values = wide(a.kvHeads * a.valueSize, "kvHeads · valueSize");
    const mixed = wide(a.heads * a.valueSize, "heads · valueSize");
    if (a.heads % a.kvHeads !== 0)
      refuse("attention", `has ${a.heads} heads, not a multiple of its ${a.kvHeads} key-value heads`);
    const p = a.project;
    switch (p.kind) {
      case "qkv":
        this.linear(p.q, width, queries, scope);
        this.linear(p.k, width, keys, scope);
        this.linear(p.v, width, values, scope);
        this.norm(p.qNorm, a.keySize, scope);
        this.norm(p.kNorm, a.keySize, scope);
        break;
      case "mla":
        if (a.kvHeads !== a.heads) refuse("attention", "is latent (mla), which has as many key-value heads as heads");
        if (p.nope + p.rope !== a.keySize)
          refuse("attention", `has key size ${a.keySize}, not nope ${p.nope} + rope ${p.rope}`);
        if (p.qDown) {
          this.linear(p.qDown.linear, width, p.qDown.rank, scope);
          this.norm(p.qDown.norm, p.qDown.rank, scope);
        }
        this.linear(p.qUp, p.qDown?.rank ?? width, queries, scope);
        this.linear(p.kvDown, width, p.kvRank, scope);
        this.norm(p.kvNorm, p.kvRank, scope);
        this.linear(p.kRope, width, p.rope, scope);
        this.linear(p.kUp, p.kvRank, a.heads * p.nope, scope);
        this.linear(p.vUp, p.kvRank, mixed, scope);
        break;
      case "tpa":
        if (a.keySize !== a.valueSize)
          refuse("attention", "is a tensor product (tpa), whose keys and values have one size");
        this.linear({ tensor: p.aq }, width, a.heads * p.qRank, scope);
        this.linear({ tensor: p.ak }, width, a.kvHeads * p.rank, scope);
        this.linear({ tensor: p.av }, width, a.kvHeads * p.rank, scope);
        this.linear({ tensor: p.bq }, width, p.qRank * a.keySize, scope);
        this.linear({ tensor: p.bk }, width, p.rank * a.keySize, scope);
        this.linear({ tensor: p.bv }, width, p.rank * a.valueSize, scope);
        this.vector(p.qBias, queries, scope);
        this.vector(p.kBias, keys, scope);
        this.vector(p.vBias, values, scope);
        this.norm(p.qNorm, a.keySize, scope);
        this.norm(p.kNorm, a.keySize, scope);
        break;
    }
    this.linear(p.o, mixed, width, scope);
    switch (a.position.kind) {
      case "rope":
        if (a.position.dims % 2 !== 0) refuse("attention", `rotates ${a.position.dims} dims, which is odd`);
        if (a.position.offset + a.position.dims > a.keySize) refuse("attention", "rotates dims beyond its key size");
        this.add(a.position.frequencies, "u64", [a.position.dims / 2], scope, true);
        break;
      case "alibi":
        this.add(a.position.slopes, "f32", [a.heads], scope, true);
        break;
      case "none":
        break;
    }
    this.vector(a.sinks, a.heads, scope);
    this.vector(a.valueResidual, 1, scope);
  }

  ffn(ffn: Ffn, width: number, scope: Scope): void {
    switch (ffn.kind) {
      case "gated":
      case "clamped":
        this.linear(ffn.gate, width, ffn.width, scope);
        this.linear(ffn.up, width, ffn.width, scope);
        this.linear(ffn.down, ffn.width, width, scope);
        break;
      case "plain":
        this.linear(ffn.fc1, width, ffn.width, scope);
        this.linear(ffn.fc2, ffn.width, width, scope);
        break;
      case "experts": {
        const { router, shared } = ffn;
        if (ffn.used > ffn.count) refuse("router", `uses ${ffn.used} of ${ffn.count} experts`);
        if (scope.expert !== undefined)
          refuse("router", "stands inside a routed stage, whose names already carry an expert");
        this.linear(router.linear, width, ffn.count, scope, "i8x2");
        this.vector(router.selectionBias, ffn.count, scope);
        if (router.groups) {
          const { count, used, top } = router.groups;
          const size = ffn.count / count;
          if (!Number.isInteger(size)) refuse("router", `has ${ffn.count} experts in ${count} groups`);
          if (used > count || top > size)
            refuse("router", "uses more groups, or more experts of a group, than there are");
          if (used * size < ffn.used) refuse("router", `chooses ${ffn.used} experts from ${used * size}`);
        }
        for (let expert = 0; expert < ffn.count; expert++) {
          this.expert(ffn.expert, width, { ...scope, expert, component: `expert${expert}` });
        }
        if (shared) {
          this.ffn(shared.ffn, width, scope);
          if (shared.gate) this.linear(shared.gate, width, 1, scope, "i8x2");
        }
        break;
      }
    }
  }

  expert(ffn: ExpertFfn, width: number, scope: Scope): void {
    this.ffn(ffn, width, scope);
  }

  layer(layer: Layer, width: number, scope: Scope): void {
    this.norm(layer.attentionNorm, width, scope);
    this.attention(layer.attention, width, scope);
    this.norm(layer.ffnNorm, width, scope);
    this.ffn(layer.ffn, width, scope);
  }

  stack(stack: Stack, width: number, scope: Scope): void {
    if (scope.expert !== undefined) for (const { attention } of stack.kinds) refuseDistances(attention);
    let used = 0;
    for (const [index, kind] of stack.order.entries()) {
      const layer = stack.kinds[kind];
      if (!layer || kind > used)
        refuse("fold", `layer ${index} is of kind ${kind}, which is not the next unused or a used one`);
      if (kind === used) used++;
      this.layer(layer, width, { ...scope, layer: index });
    }
    if (used !== stack.kinds.length) refuse("fold", `has ${stack.kinds.length} kinds of layer and uses ${used}`);
    const distinct = new Set(stack.kinds.map((kind) => JSON.stringify(kind)));
    if (distinct.size !== stack.kinds.length) refuse("fold", "states one kind of layer twice");
    valueResiduals(stack);
  }
}

/** An expert's cache holds only the positions routed to it, so its slots say nothing about distances. */
function refuseDistances({ window, position }: Attention): void {
  if (window !== undefined || position.kind === "alibi")
    refuse("attention", "has a window or ALiBi inside a routed stage");
}

/** The stack's first layer gives v₁, so it cannot mix it, and every layer that does must have values of its shape. */
function valueResiduals(stack: Stack): void {
  const [first] = stack.order;
  const source = first === undefined ? undefined : stack.kinds[first]?.attention;
  for (const { attention } of stack.kinds) {
    if (attention.valueResidual === undefined) continue;
    const same = source && source.kvHeads === attention.kvHeads && source.valueSize === attention.valueSize;
    if (!same || source.valueResidual !== undefined)
      refuse("attention", "mixes in values that the first layer does not give");
  }
}

function wide(value: number, what: string): number {
  if (value > MAX_WIDTH) refuse("attention", `has ${what} = ${value}, above ${MAX_WIDTH}`);
  return value;
}

function refuse(what: string, message: string): never {
  throw new FormatError("fold", `${what} ${message}`, what);
}

/** Ascending order of ASCII names; never by locale. */
export const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

/**
 * Every tensor of a fold, in sealed order. Throws FormatError `fold` where the fold contradicts itself, or implies more than
 * `limit` tensors: a fold of some hundred bytes can imply millions.
 */
export function tensorPlan(fold: Fold, limit = MAX_TENSORS): readonly PlannedTensor[] {
  const plan = new Plan(Math.min(limit, MAX_TENSORS));
  const trunk: Scope = { component: "trunk" };
  plan.add(fold.embedding, "i8", [fold.vocab, fold.width], { component: "embedding" });
  let { width } = fold;
  for (const stage of fold.stages) {
    switch (stage.kind) {
      case "layers":
        plan.stack(stage.stack, width, trunk);
        break;
      case "project":
        plan.norm(stage.norm, width, trunk);
        plan.linear(stage.linear, width, stage.width, trunk);
        width = stage.width;
        break;
      case "routed": {
        for (let expert = 0; expert < stage.experts; expert++) {
          const scope: Scope = { expert, component: `expert${expert}` };
          plan.stack(stage.stack, width, scope);
          plan.norm(stage.norm, width, scope);
          if (stage.project) plan.linear(stage.project.linear, width, stage.project.width, scope);
        }
        width = stage.project?.width ?? width;
        break;
      }
    }
  }
  plan.norm(fold.head.norm, width, { component: "head" });
  if (fold.head.kind === "linear") plan.linear(fold.head.linear, width, fold.vocab, { component: "head" });
  else if (width !== fold.width)
    refuse("head", `is tied to an embedding ${fold.width} wide, but its input is ${width} wide`);
  if (!staysInRange(fold)) refuse("fold", "multiplies values layer upon layer without a norm, beyond any exponent");
  return [...plan.tensors.values()].sort(byName);
}

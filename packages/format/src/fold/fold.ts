/**
 * The fold: an artifact's own compute program, sealed as data.
 *
 * Verify and runtime know only the mechanisms below, never a model's name. What the program does not say does not
 * happen: there are no defaults. Reals (eps, scales, limits) are the IEEE bits of an f32 as an unsigned integer. Tensors
 * are named; `{layer}` in a name is the layer's index within its stack and `{expert}` the expert's index. Every matrix is
 * [out, in]: one row an output channel, contiguous, with one scale.
 *
 * Shapes are not stored: they follow from the sizes here, see `tensor-plan.ts`.
 */
import { type Infer, integer, list, oneOf, optional, record, text, union } from "../schema.ts";

// Limits. Each is far above every published model and low enough that no product of two overflows 53 bits and no
// accumulator of the numerics overflows its stated bound (docs/numerics.md).
/** Layers in a stack: DeepSeek-V3 has 61, vpMoE 80, Oracle850B 96. */
export const MAX_LAYERS = 4096;
/** Experts in a layer, or in a routed stage. */
export const MAX_EXPERTS = 4096;
/** Positions a session may hold: the sums of a softmax over them stay below 2^53. */
export const MAX_CONTEXT = 1 << 22;
/** Length of a vector: hidden sizes, FFN widths, heads times head size. */
export const MAX_WIDTH = 1 << 17;
/** Size of one head's key or value: 2048 · 2047 · 512 stays below 2^31. */
const MAX_HEAD = 512;

/** IEEE-754 binary32 bits of a finite number >= 0, as an unsigned integer. */
const f32Bits = integer(0x7f7fffff);
/** The same below 4. */
const magnitudeBits = integer(0x407fffff);
const width = integer(MAX_WIDTH, 1);
const heads = integer(4096, 1);
const headSize = integer(MAX_HEAD, 1);

/** A tensor's name, or the pattern of its names: printable ASCII, at most 512 bytes. */
const tensorName = text(512, /^[!-~]+$/);

/** y = W x (+ bias). W is int8 per row, [out, in]; the bias is an f32 vector [out]. */
const linear = record({ tensor: tensorName, bias: optional(tensorName) });

const rmsNorm = record({ kind: oneOf("rms"), eps: f32Bits, gain: tensorName });
const layerNorm = record({ kind: oneOf("layer"), eps: f32Bits, gain: tensorName, bias: optional(tensorName) });
/** x / sqrt(mean(x²) + eps) · gain, or the same of x - mean(x), plus bias. */
const norm = union(rmsNorm, layerNorm);

/** q, k, v by one matrix each; `qNorm`, `kNorm` act on each head's vector before rotation. */
const qkvProjection = record({
  kind: oneOf("qkv"),
  q: linear,
  k: linear,
  v: linear,
  o: linear,
  qNorm: optional(norm),
  kNorm: optional(norm),
});

/**
 * Multi-head latent attention (DeepSeek). Queries: x → (down → norm →) up → heads · (nope + rope). Keys and values share a
 * latent of `kvRank`: x → kvDown → kvNorm → kUp (heads · nope) and vUp (heads · valueSize); `kRope` gives the rotated part
 * [rope], one for all heads. Each head's key is nope dims, then rope dims: keySize = nope + rope, kvHeads = heads.
 */
const mlaProjection = record({
  kind: oneOf("mla"),
  nope: headSize,
  rope: headSize,
  kvRank: width,
  qDown: optional(record({ rank: width, linear, norm })),
  qUp: linear,
  kvDown: linear,
  kvNorm: norm,
  kRope: linear,
  kUp: linear,
  vUp: linear,
  o: linear,
});

/**
 * Tensor product attention (vpMoE): six bias-free maps of x, then q_h = (1/qRank) Σ_r a_q[h,r] b_q[r], and k, v likewise with
 * `rank`; then a bias vector for each of q, k, v. a is [heads · rank], rank fastest; b is [rank · headSize].
 */
const tpaProjection = record({
  kind: oneOf("tpa"),
  qRank: integer(256, 1),
  rank: integer(256, 1),
  aq: tensorName,
  ak: tensorName,
  av: tensorName,
  bq: tensorName,
  bk: tensorName,
  bv: tensorName,
  qBias: optional(tensorName),
  kBias: optional(tensorName),
  vBias: optional(tensorName),
  o: linear,
  qNorm: optional(norm),
  kNorm: optional(norm),
});

/**
 * Rotary positions on dims [offset, offset + dims) of each head, `half`: pairs (i, i + dims/2), `interleaved`: (2i, 2i + 1).
 * `frequencies` is u64 [dims/2]: turns a position in units of 2^-64. Sine and cosine are multiplied by `magnitude`.
 */
const rope = record({
  kind: oneOf("rope"),
  pairs: oneOf("half", "interleaved"),
  offset: integer(MAX_HEAD),
  dims: headSize,
  frequencies: tensorName,
  magnitude: magnitudeBits,
});

/** score -= slope[head] · distance, after the softmax scale; `slopes` is f32 [heads]. */
const alibi = record({ kind: oneOf("alibi"), slopes: tensorName });
const noPosition = record({ kind: oneOf("none") });

const attention = record({
  heads,
  /** Query head h reads key-value head floor(h · kvHeads / heads). */
  kvHeads: heads,
  keySize: headSize,
  valueSize: headSize,
  /** Multiplies q·k before the softmax. */
  scale: f32Bits,
  /** Keys visible to a query, itself included; absent: all before it. */
  window: optional(integer(Number.MAX_SAFE_INTEGER, 1)),
  project: union(qkvProjection, mlaProjection, tpaProjection),
  position: union(rope, alibi, noPosition),
  /** f32 [heads]: an extra logit a head that takes part in the softmax's denominator only. */
  sinks: optional(tensorName),
  /** f32 [1] λ: v = λ v + (1 - λ) v₁, where v₁ is this position's v in the stack's first layer. */
  valueResidual: optional(tensorName),
});

/** down(act(gate x) · up x), element by element. */
const gatedFfn = record({
  kind: oneOf("gated"),
  activation: oneOf("silu", "geluTanh", "geluErf", "relu"),
  width,
  gate: linear,
  up: linear,
  down: linear,
});
/** down((u + 1) · g · sigmoid(alpha · g)), where g = min(gate x, limit) and u = max(-limit, min(up x, limit)). */
const clampedFfn = record({
  kind: oneOf("clamped"),
  alpha: f32Bits,
  limit: f32Bits,
  width,
  gate: linear,
  up: linear,
  down: linear,
});
/** fc2(act(fc1 x)); `relu2` is relu squared. */
const plainFfn = record({
  kind: oneOf("plain"),
  activation: oneOf("geluErf", "geluTanh", "relu", "relu2", "silu"),
  width,
  fc1: linear,
  fc2: linear,
});

/**
 * Chooses `used` of `count` experts. The matrix has two int8 planes. Score: softmax over all, or sigmoid of each.
 * `selectionBias` f32 [count] is added to the score for choosing only. `groups`: experts in `count` equal groups, a group's
 * value is the sum of its `top` best; only the best `used` groups take part. `weights`: `raw` scores, or `normalised` to
 * sum 1 over the chosen. Then times `scale`. Ties go to the lowest index.
 */
const router = record({
  linear,
  score: oneOf("softmax", "sigmoid"),
  selectionBias: optional(tensorName),
  groups: optional(
    record({ count: integer(MAX_EXPERTS, 1), used: integer(MAX_EXPERTS, 1), top: integer(MAX_EXPERTS, 1) }),
  ),
  weights: oneOf("raw", "normalised"),
  scale: f32Bits,
});

/** Σ over the chosen experts, in ascending index, of weight · expert(x), then the shared FFN (times sigmoid(gate x)). */
const expertsFfn = record({
  kind: oneOf("experts"),
  count: integer(MAX_EXPERTS, 1),
  used: integer(MAX_EXPERTS, 1),
  router,
  expert: union(gatedFfn, clampedFfn, plainFfn),
  shared: optional(record({ ffn: union(gatedFfn, clampedFfn, plainFfn), gate: optional(linear) })),
});

const ffn = union(gatedFfn, clampedFfn, plainFfn, expertsFfn);

/** x += attention(norm x); x += ffn(norm x). An absent norm is the identity. */
const layer = record({ attentionNorm: optional(norm), attention, ffnNorm: optional(norm), ffn });

/** A residual stack: layer i is `kinds[order[i]]`. Each kind is stored once, in order of first use. */
const stack = record({ kinds: list(layer, MAX_LAYERS, 1), order: list(integer(MAX_LAYERS - 1), MAX_LAYERS, 1) });

const stage = union(
  record({ kind: oneOf("layers"), stack }),
  /** Leaves the residual stream for one of another width: x = linear(norm x). */
  record({ kind: oneOf("project"), norm: optional(norm), linear, width }),
  /**
   * One whole transformer a position, chosen by the lexical table of the ROUTE section; expert e attends only to positions
   * routed to it. Names carry `{expert}`. `project` changes the width of what leaves.
   */
  record({
    kind: oneOf("routed"),
    experts: integer(MAX_EXPERTS, 1),
    stack,
    norm: optional(norm),
    project: optional(record({ linear, width })),
  }),
);

/** Logits = head(norm x); `tied`: the embedding matrix itself. */
const head = union(
  record({ kind: oneOf("tied"), norm: optional(norm) }),
  record({ kind: oneOf("linear"), norm: optional(norm), linear }),
);

export const FOLD_NAME = "⟁COMPUTE_FOLD⟁";

export const foldSchema = record({
  fold: oneOf(FOLD_NAME),
  version: oneOf(1),
  /** Rows of the embedding, and logits a position. */
  vocab: integer(1 << 24, 1),
  /** Positions a session may hold. */
  context: integer(MAX_CONTEXT, 1),
  /** Width of the residual stream after the embedding. */
  width,
  /** int8 [vocab, width]. */
  embedding: tensorName,
  stages: list(stage, 64, 1),
  head,
});

export type Fold = Infer<typeof foldSchema>;
export type Stage = Fold["stages"][number];
export type Stack = Infer<typeof stack>;
export type Layer = Infer<typeof layer>;
export type Linear = Infer<typeof linear>;
export type Norm = Infer<typeof norm>;
export type Attention = Infer<typeof attention>;
export type Projection = Attention["project"];
export type Position = Attention["position"];
export type Rope = Infer<typeof rope>;
export type Ffn = Infer<typeof ffn>;
export type GatedFfn = Infer<typeof gatedFfn>;
export type ClampedFfn = Infer<typeof clampedFfn>;
export type PlainFfn = Infer<typeof plainFfn>;
export type ExpertsFfn = Infer<typeof expertsFfn>;
export type Router = Infer<typeof router>;
export type Head = Infer<typeof head>;
/** An FFN without experts: what one expert is. */
export type ExpertFfn = ExpertsFfn["expert"];

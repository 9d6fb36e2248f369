import type { Attention, ExpertsFfn, Layer } from "@s7l/format";
import { expect, test } from "vitest";
import { CONFIGS } from "../../test/configs.ts";
import { f32Bits } from "../fixed-point.ts";
import type { JsonObject } from "../json.ts";
import { lowerConfig } from "../lower.ts";

function layers(values: JsonObject): readonly Layer[] {
  const [stage] = lowerConfig({ place: "config.json", values }).fold.stages;
  return stage?.kind === "layers" ? stage.stack.kinds : [];
}

function attention(values: JsonObject): Attention {
  return layers(values)[0]?.attention ?? expect.unreachable("no layer");
}

function experts(values: JsonObject): ExpertsFfn {
  const ffn = layers(values).at(-1)?.ffn;
  return ffn?.kind === "experts" ? ffn : expect.unreachable("no experts");
}

/** Those of transformers' own class. */
const V3_DEFAULTS = {
  n_group: 8,
  topk_group: 4,
  n_shared_experts: 1,
  first_k_dense_replace: 3,
  q_lora_rank: 1536,
  norm_topk_prob: true,
  rope_interleave: true,
} as const satisfies JsonObject;

const { deepseek_v2: v2, deepseek_v3: v3 } = CONFIGS;

test("keys are nope dims, then rotated ones, and yarn's mscale_all_dim enters the softmax scale squared", () => {
  expect(attention(v3)).toMatchObject({
    keySize: 10,
    valueSize: 5,
    position: { offset: 6, dims: 4, pairs: "interleaved" },
  });
  expect(attention(v3).scale).toBe(f32Bits(1 / Math.sqrt(10)));
  const rope_scaling = { type: "yarn", factor: 40, original_max_position_embeddings: 64, mscale: 1, mscale_all_dim: 1 };
  const scaled = attention({ ...v3, rope_scaling });
  expect(scaled.scale).toBe(f32Bits((0.1 * Math.log(40) + 1) ** 2 / Math.sqrt(10)));
  expect(scaled.position).toMatchObject({ magnitude: f32Bits(1) });
});

test("the latent norms keep their own eps, whatever rms_norm_eps says", () => {
  const { project } = attention({ ...v3, rms_norm_eps: 0.25 });
  expect(project).toMatchObject({
    kind: "mla",
    kvNorm: { eps: f32Bits(1e-6) },
    qDown: { norm: { eps: f32Bits(1e-6) } },
  });
  expect(layers({ ...v3, rms_norm_eps: 0.25 })[0]?.attentionNorm?.eps).toBe(f32Bits(0.25));
});

test("V2 weighs by raw scores and a group's best; V3 by normalised sigmoids, chosen with a bias by a group's two best", () => {
  expect(experts({ ...v2, norm_topk_prob: true }).router).toMatchObject({
    score: "softmax",
    weights: "raw",
    groups: { count: 4, used: 2, top: 1 },
    scale: f32Bits(2.5),
  });
  expect(experts(v2).router.selectionBias).toBeUndefined();
  expect(experts(v3).router).toMatchObject({
    score: "sigmoid",
    weights: "normalised",
    groups: { count: 4, used: 2, top: 2 },
    selectionBias: "model.layers.{layer}.mlp.gate.e_score_correction_bias",
  });
});

test.each<readonly [keyof typeof V3_DEFAULTS, JsonObject, number | boolean]>([
  ["n_group", { n_routed_experts: 16, topk_group: 3 }, 4],
  ["topk_group", { n_routed_experts: 16, n_group: 8 }, 3],
  ["n_shared_experts", {}, 2],
  ["first_k_dense_replace", { num_hidden_layers: 5 }, 2],
  ["q_lora_rank", {}, 10],
  ["norm_topk_prob", {}, false],
  ["rope_interleave", {}, false],
])("V3 without %s takes what its class does", (key, more, other) => {
  const { [key]: _, ...rest }: JsonObject = { ...v3, ...more };
  const fold = (values: JsonObject) => lowerConfig({ place: "config.json", values }).fold;
  expect(fold(rest)).toEqual(fold({ ...rest, [key]: V3_DEFAULTS[key] }));
  expect(fold(rest)).not.toEqual(fold({ ...rest, [key]: other }));
});

test("V2 without shared experts or a query latent takes what its class does; null means none", () => {
  const { n_shared_experts: _shared, q_lora_rank: _rank, first_k_dense_replace: _dense, ...rest } = v2;
  expect(experts(rest).shared).toMatchObject({ ffn: { width: 12 } });
  expect(attention(rest).project).toMatchObject({ qDown: { rank: 1536 } });
  expect(layers(rest)).toHaveLength(1);
  expect(experts({ ...rest, n_shared_experts: null }).shared).toBeUndefined();
  expect(attention({ ...rest, q_lora_rank: null }).project).not.toHaveProperty("qDown");
  const { n_group: _groups, topk_group: _used, ...ungrouped } = v2;
  expect(experts(ungrouped).router.groups).toBeUndefined();
});

test("a null is false where Python takes it for a truth", () => {
  expect(experts({ ...v3, norm_topk_prob: null }).router.weights).toBe("raw");
  expect(attention({ ...v3, rope_interleave: null }).position).toMatchObject({ pairs: "half" });
});

test("groups that all take part are no groups, and greedy choice ignores them", () => {
  expect(experts({ ...v3, topk_group: 4 }).router.groups).toBeUndefined();
  expect(experts({ ...v2, topk_method: "greedy" }).router.groups).toBeUndefined();
});

test("shared experts are one FFN of their joint width, without a gate", () => {
  expect(experts(v3).shared).toMatchObject({ ffn: { width: 12 } });
  expect(experts(v3).shared?.gate).toBeUndefined();
});

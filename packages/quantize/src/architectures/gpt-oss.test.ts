import type { ExpertsFfn, Fold, Layer } from "@s7l/format";
import { expect, test } from "vitest";
import { CONFIGS } from "../../test/configs.ts";
import { f32Bits } from "../fixed-point.ts";
import type { JsonObject } from "../json.ts";
import { lowerConfig } from "../lower.ts";
import type { Lowered } from "../lowering.ts";

const { rope_scaling, head_dim: _size, num_key_value_heads: _heads, ...rest } = CONFIGS.gpt_oss;
const bare: JsonObject = { ...rest, hidden_size: 32, num_attention_heads: 8 };

const lower = (values: JsonObject): Lowered => lowerConfig({ place: "config.json", values });

function firstLayer({ stages: [stage] }: Fold): Layer {
  return (stage?.kind === "layers" ? stage.stack.kinds[0] : undefined) ?? expect.unreachable("no layer");
}

function expert(values: JsonObject): ExpertsFfn["expert"] {
  const { ffn } = firstLayer(lower(values).fold);
  return ffn.kind === "experts" ? ffn.expert : expect.unreachable("no experts");
}

function turns({ rules }: Lowered): readonly (number | bigint)[] {
  const source = rules["rope.frequencies"]?.({ layer: 0, expert: 0 });
  return source?.kind === "derived" ? source.compute([]) : expect.unreachable("no frequencies");
}

/** Of transformers' GptOssConfig. */
const DEFAULT = { rope_type: "yarn", factor: 32, truncate: false, original_max_position_embeddings: 4096 };

test("a config that says nothing of positions has the YaRN of its class", () => {
  expect(turns(lower(bare))).toEqual(turns(lower({ ...bare, rope_scaling: DEFAULT })));
  expect(lower(bare).fold).toEqual(lower({ ...bare, rope_scaling: DEFAULT }).fold);
  expect(firstLayer(lower(bare).fold).attention.position).toMatchObject({
    magnitude: f32Bits(0.1 * Math.log(32) + 1),
  });
  const { rope_theta: _, ...thetaless } = bare;
  expect(turns(lower(thetaless))).toEqual(turns(lower({ ...bare, rope_scaling: DEFAULT, rope_theta: 150000 })));
});

test.each<readonly [string, JsonObject, JsonObject]>([
  ["none by name", { rope_scaling: { rope_type: "default" } }, { rope_parameters: {} }],
  ["parameters beside a null", { rope_scaling: null, rope_parameters: rope_scaling }, { rope_scaling }],
])("positions of a config count as they stand: %s", (_, values, same) => {
  expect(turns(lower({ ...bare, ...values }))).toEqual(turns(lower({ ...bare, ...same })));
  expect(turns(lower({ ...bare, ...values }))).not.toEqual(turns(lower(bare)));
});

test("a head has 64 dims and there are 8 keys where the config does not say; null shares the width out", () => {
  expect(firstLayer(lower(bare).fold).attention).toMatchObject({ keySize: 64, kvHeads: 8 });
  const nulls = { ...bare, head_dim: null, num_key_value_heads: null, num_attention_heads: 4 };
  expect(firstLayer(lower(nulls).fold).attention).toMatchObject({ keySize: 8, kvHeads: 4 });
});

test("the gate's slope and limit are the config's", () => {
  expect(expert(bare)).toMatchObject({ kind: "clamped", alpha: f32Bits(1.702), limit: f32Bits(7) });
  expect(expert({ ...bare, swiglu_alpha: 0.5, swiglu_limit: 20 })).toMatchObject({
    alpha: f32Bits(0.5),
    limit: f32Bits(20),
  });
});

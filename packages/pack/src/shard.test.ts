import { fakeGoldens, TINY_KINDS, tinyWeights } from "@s7l/fixtures";
import { describe, expect, test } from "vitest";
import { planSeal } from "./plan.ts";
import { baseOfShard, parseShard, tensorsOfShard } from "./shard.ts";

describe("parseShard", () => {
  test.each<[string, Readonly<Record<string, string>>, number, number]>([
    ["3/8", {}, 3, 8],
    ["3/8", { JOB_COMPLETION_INDEX: "0" }, 3, 8],
    ["/8", { SLURM_ARRAY_TASK_ID: "3" }, 3, 8],
    ["/8", { SLURM_ARRAY_TASK_ID: "0", SLURM_ARRAY_TASK_MIN: "0" }, 1, 8],
    ["/8", { SLURM_ARRAY_TASK_ID: "14", SLURM_ARRAY_TASK_MIN: "0", SLURM_ARRAY_TASK_STEP: "2" }, 8, 8],
    ["/8", { JOB_COMPLETION_INDEX: "7" }, 8, 8],
    ["/8", { AWS_BATCH_JOB_ARRAY_INDEX: "2" }, 3, 8],
  ])("reads %s with %j", (text, environment, number, of) => {
    expect(parseShard(text, environment)).toEqual({ number, of });
  });

  test.each<[string, Readonly<Record<string, string>>]>([
    ["", {}],
    ["3", {}],
    ["0/8", {}],
    ["9/8", {}],
    ["1/0", {}],
    ["1/65537", {}],
    ["-1/8", {}],
    ["1.5/8", {}],
    ["1/8/8", {}],
    ["/8", {}],
    ["/8", { JOB_COMPLETION_INDEX: "8" }],
    ["/8", { JOB_COMPLETION_INDEX: "x" }],
    ["/8", { SLURM_ARRAY_TASK_ID: "3", SLURM_ARRAY_TASK_MIN: "0", SLURM_ARRAY_TASK_STEP: "2" }],
  ])("refuses %j with %j", (text, environment) => {
    expect(() => parseShard(text, environment)).toThrow(expect.objectContaining({ code: "shard" }));
  });
});

const routed = tinyWeights("routed");

describe("tensorsOfShard", () => {
  test.each(TINY_KINDS)("divides the tensors of a %s model, each to one shard, in stretches", (kind) => {
    const weights = tinyWeights(kind);
    const plan = planSeal(weights, fakeGoldens(weights));
    for (const of of [1, 2, 3, 8, 1000]) {
      const shards = Array.from({ length: of }, (_, i) => tensorsOfShard(plan, { number: i + 1, of }));
      expect(shards.flat()).toEqual(plan.data.tensors);
    }
  });

  test("gives shards of about equal size where tensors are small beside them", () => {
    const plan = planSeal(routed, fakeGoldens(routed));
    const sizes = [1, 2, 3].map((number) =>
      tensorsOfShard(plan, { number, of: 3 }).reduce((sum, { length }) => sum + length, 0),
    );
    for (const size of sizes) expect(Math.abs(size - plan.data.size / 3)).toBeLessThan(plan.data.size / 10);
  });

  test("leaves room before the first shard, and before it alone", () => {
    const plan = planSeal(routed, fakeGoldens(routed));
    expect(baseOfShard(plan, { number: 1, of: 3 })).toBe(0);
    expect(baseOfShard(plan, { number: 2, of: 3 })).toBe(
      plan.dataOffset + (tensorsOfShard(plan, { number: 2, of: 3 })[0]?.offset ?? 0),
    );
  });
});

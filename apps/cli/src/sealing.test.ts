import { fakeGoldens, tinyLexical, tinyWeights } from "@s7l/fixtures";
import { memorySink, memorySource, type WeightSource } from "@s7l/format";
import { seal } from "@s7l/pack";
import { openVerified, type VerifiedArtifact } from "@s7l/verify";
import { describe, expect, test } from "vitest";
import { computeAlike } from "./sealing.ts";

async function sealed(weights: WeightSource, fill: number, prompts = [[1, 2]]): Promise<VerifiedArtifact> {
  const sink = memorySink();
  const golden = async () => prompts.map(() => new Uint8Array(32).fill(fill));
  await seal(weights, sink, { ...fakeGoldens(weights), prompts, golden });
  return openVerified(memorySource(sink.bytes().slice()));
}

describe("computeAlike", () => {
  const weights = tinyWeights("routed");

  test("is so where digests alone differ, as a draft's do from the artifact's", async () => {
    expect(computeAlike(await sealed(weights, 1), await sealed(weights, 2))).toBe(true);
  });

  test.each<[string, Promise<VerifiedArtifact>]>([
    ["other weights", sealed(tinyWeights("routed", 8), 1)],
    ["another program", sealed(tinyWeights("dense"), 1)],
    ["another lexical table", sealed({ ...weights, lexical: { ...tinyLexical, windowBytes: 63 } }, 1)],
    ["another vocabulary", sealed({ ...weights, vocabulary: { ...weights.vocabulary, eos: [3] } }, 1)],
    ["other prompts", sealed(weights, 1, [[2, 1]])],
  ])("is not with %s", async (_, other) => {
    expect(computeAlike(await sealed(weights, 1), await other)).toBe(false);
  });
});

import { fakeDigests, TINY_KINDS, type TinyKind, tinyWeights } from "@s7l/fixtures";
import { type ByteSource, memorySink, memorySource } from "@s7l/format";
import { seal } from "@s7l/pack";
import { describe, expect, test } from "vitest";
import { isVerifiedArtifact } from "./artifact.ts";
import { verify } from "./verify.ts";

async function sealed(kind: TinyKind): Promise<Uint8Array> {
  const sink = memorySink();
  const golden = async (draft: ByteSource) => {
    let digests: readonly Uint8Array[] = [];
    await verify(draft, {
      replay: async (_, prompts) => {
        digests = fakeDigests(prompts);
        return digests;
      },
    });
    return digests;
  };
  await seal(tinyWeights(kind), sink, { golden });
  return sink.bytes();
}

describe("verify", () => {
  test.each(TINY_KINDS)("accepts a sealed %s artifact by every rule", async (kind) => {
    const bytes = await sealed(kind);
    const result = await verify(memorySource(bytes), { replay: async (_, prompts) => fakeDigests(prompts) });
    expect(result.rules.filter(({ ok }) => !ok)).toEqual([]);
    expect(result).toMatchObject({ ok: true, integrity: "whole", authenticity: "unproven" });
    expect(isVerifiedArtifact(result.artifact)).toBe(true);
  });
});

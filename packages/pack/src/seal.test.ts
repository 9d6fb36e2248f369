import { fakeDigests, TINY_KINDS, tinyWeights } from "@s7l/fixtures";
import { memorySink } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { seal } from "./seal.ts";

const golden = async (_: unknown, prompts: readonly (readonly number[])[]) => fakeDigests(prompts);

describe("seal", () => {
  test.each(TINY_KINDS)("gives the same bytes for the same %s weights", async (kind) => {
    const [first, second] = await Promise.all(
      [memorySink(), memorySink()].map(async (sink) => ({
        ...(await seal(tinyWeights(kind), sink, { golden })),
        bytes: sink.bytes(),
      })),
    );
    expect(first?.bytes).toEqual(second?.bytes);
    expect(first?.bytes.length).toBe(first?.size);
  });
});

import { TINY_KINDS, type TinyKind, tinyWeights } from "@s7l/fixtures";
import type { VerifiedArtifact } from "@s7l/verify";
import { beforeAll, describe, expect, test } from "vitest";
import { sealArtifact } from "../test/sealed.ts";
import { hasSimd } from "./engine/host.ts";
import { loadModel, type Model } from "./model.ts";
import { goldenPrompts, replayPrompts } from "./replay-golden.ts";
import { STX } from "./session/gate.ts";
import { openSession } from "./session/session.ts";

describe.skipIf(!hasSimd()).each(TINY_KINDS)("for %s the engines", (kind: TinyKind) => {
  let definition: Model;
  let simd: Model;
  beforeAll(async () => {
    const artifact: VerifiedArtifact = await sealArtifact(tinyWeights(kind));
    definition = await loadModel(artifact, { engine: "interpreter" });
    simd = await loadModel(artifact, { engine: "simd" });
  });

  test("are the ones that were asked for", () => {
    expect([definition.engine, simd.engine]).toEqual(["interpreter", "simd"]);
  });

  test("sample the same ids, texts and digests from the same seed", async () => {
    const sampled = async (model: Model, seed: number) => {
      const body = openSession(model).begin(STX);
      const steps: unknown[] = [];
      for await (const step of body.generate([2, 1], { temperature: 1.5, topK: 0, topP: 1, minP: 0, seed }))
        steps.push(step);
      return { steps, routes: body.routes };
    };
    for (const seed of [1, 2, 3]) expect(await sampled(simd, seed)).toEqual(await sampled(definition, seed));
  });

  test("give the golden prompts the same digests", async () => {
    const prompts = goldenPrompts(tinyWeights(kind));
    expect(await replayPrompts(simd, prompts)).toEqual(await replayPrompts(definition, prompts));
  });

  test("keep sessions apart that take turns and come and go", async () => {
    const ids = [2, 0, 1, 2];
    const alone = await openSession(definition).begin(STX).forward(ids, "all");
    for (let round = 0; round < 3; round++) {
      const [one, two] = [openSession(simd), openSession(simd)];
      const bodies = [one.begin(STX), two.begin(STX)];
      for (const [i, id] of ids.entries()) {
        for (const body of bodies) {
          const { mantissas, exponents } = await body.forward([id]);
          expect(mantissas).toEqual(alone.mantissas.slice(i * simd.vocab, (i + 1) * simd.vocab));
          expect(exponents[0]).toBe(alone.exponents[i]);
        }
      }
      one.close();
      const other = openSession(simd).begin(STX); // takes the memory that one gave back
      await other.forward([0, 0]);
      expect(two.phase).toBe("STX");
      if (simd.context > ids.length) {
        const whole = await openSession(definition)
          .begin(STX)
          .forward([...ids, 1]);
        expect(await bodies[1]?.forward([1])).toEqual(whole);
      }
    }
  });
});

describe.skipIf(!hasSimd())("a WebAssembly engine", () => {
  test("is the choice of auto", async () => {
    expect(["simd", "relaxed"]).toContain((await loadModel(await sealArtifact(tinyWeights("speck")))).engine);
  });

  test("gives memory back with each session that ends", async () => {
    const memories: WebAssembly.Memory[] = [];
    const { Memory } = WebAssembly;
    WebAssembly.Memory = class extends Memory {
      constructor(descriptor: WebAssembly.MemoryDescriptor) {
        super(descriptor);
        memories.push(this);
      }
    };
    const artifact = await sealArtifact(tinyWeights("dense"));
    const model = await loadModel(artifact, { engine: "simd" });
    WebAssembly.Memory = Memory;
    const held = (): number => memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    // In one task, so that no garbage collector can do it instead.
    const run = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        const session = openSession(model);
        await session.begin(STX).forward([3]);
        session.close();
      }
    };
    await run(10);
    const settled = held();
    expect(settled).toBeGreaterThan(0);
    await run(300);
    expect(held()).toBe(settled);
  });
});

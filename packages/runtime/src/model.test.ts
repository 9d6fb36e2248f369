import { randomWeights, tinyFold, tinyWeights } from "@s7l/fixtures";
import type { VerifiedArtifact } from "@s7l/verify";
import { beforeAll, describe, expect, test } from "vitest";
import { sealArtifact, tinyModel } from "../test/sealed.ts";
import { loadModel } from "./model.ts";

const runtimeError = (code: string) => expect.objectContaining({ name: "RuntimeError", code });

let artifact: VerifiedArtifact;
beforeAll(async () => {
  artifact = await sealArtifact(tinyWeights("dense"), 20);
});

/** For what the types refuse already. */
const load = (value: unknown, options?: unknown) =>
  loadModel(value as VerifiedArtifact, options as Parameters<typeof loadModel>[1]);

describe("loadModel", () => {
  test("takes a verified artifact, with the sealed policy's context", async () => {
    const model = await loadModel(artifact);
    expect(model).toMatchObject({ vocab: 40, context: 20, eos: [1] });
    expect(model.artifact).toBe(artifact);
    expect(Object.isFrozen(model)).toBe(true);
  });

  test.each([
    { what: "nothing", make: () => undefined },
    { what: "a copy", make: (real: VerifiedArtifact) => ({ ...real }) },
    { what: "an object that inherits from one", make: (real: VerifiedArtifact) => Object.create(real) },
    { what: "a proxy of one", make: (real: VerifiedArtifact) => new Proxy(real, {}) },
    { what: "its fold", make: (real: VerifiedArtifact) => real.fold },
  ])("refuses what verify did not make: $what", async ({ make }) => {
    await expect(load(make(artifact))).rejects.toThrow(runtimeError("unverified"));
  });

  test.each([
    { options: { engine: "abacus" }, code: "option" },
    { options: { threads: 0 }, code: "option" },
    { options: { threads: 1.5 }, code: "option" },
  ])("refuses $options", async ({ options, code }) => {
    await expect(load(artifact, options)).rejects.toThrow(runtimeError(code));
  });

  test("runs the interpreter where it is asked for", async () => {
    expect((await tinyModel("dense", { engine: "interpreter" })).engine).toBe("interpreter");
  });

  test("does without a vocabulary, unless the model is routed by text", async () => {
    const dense = randomWeights(tinyFold("dense"), 7);
    const model = await loadModel(await sealArtifact({ ...dense, vocabulary: { eos: [] } }));
    expect(model.tokenizer).toBeUndefined();
    const routed = { ...randomWeights(tinyFold("routed"), 7), vocabulary: { eos: [] } };
    await expect(sealArtifact(routed)).rejects.toThrow(runtimeError("tokenizer"));
  });

  test("refuses a sealed tokenizer that cannot be read", async () => {
    const vocabulary = { tokenizer: new TextEncoder().encode("{"), eos: [] };
    const weights = { ...randomWeights(tinyFold("dense"), 7), vocabulary };
    await expect(sealArtifact(weights)).rejects.toThrow(runtimeError("tokenizer"));
  });
});

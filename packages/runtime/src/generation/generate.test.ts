import { join } from "node:path";
import { randomWeights, tinyFold } from "@s7l/fixtures";
import { openCheckpoint, quantize } from "@s7l/quantize";
import { beforeAll, describe, expect, test } from "vitest";
import { readJson, s7MiniPath } from "../../test/reference.ts";
import { sealArtifact, tinyModel } from "../../test/sealed.ts";
import { loadModel, type Model } from "../model.ts";
import { createLogitsDigest } from "../receipt/logits-digest.ts";
import { STX } from "../session/gate.ts";
import { openSession, type SessionBody } from "../session/session.ts";
import type { GenerateOptions, GenerateStep } from "./generate.ts";
import { likeliest } from "./sampler.ts";

const runtimeError = (code: string) => expect.objectContaining({ name: "RuntimeError", code });
const open = (model: Model): SessionBody => openSession(model).begin(STX);

async function collect(steps: AsyncIterable<GenerateStep>): Promise<GenerateStep[]> {
  const all: GenerateStep[] = [];
  for await (const step of steps) all.push(step);
  return all;
}

const run = (model: Model, prompt: string | readonly number[], options?: GenerateOptions) =>
  collect(open(model).generate(prompt, options));
const idsOf = (steps: readonly GenerateStep[]): number[] => steps.map(({ id }) => id);

let routed: Model;
/** A context of 300: prompts of several chunks. */
let long: Model;
beforeAll(async () => {
  routed = await tinyModel("routed");
  long = await loadModel(await sealArtifact(randomWeights({ ...tinyFold("dense"), context: 300 }, 7)));
});

describe("generate", () => {
  test("is the greedy loop over forward, with the digest of the logits chosen from", async () => {
    const steps = await run(routed, [5, 30, 9], { maxTokens: 6 });
    const body = open(routed);
    const digest = createLogitsDigest();
    let logits = await body.forward([5, 30, 9]);
    for (const [i, step] of steps.entries()) {
      expect(step.id).toBe(likeliest(logits.mantissas));
      expect(step.logitsDigest).toEqual(digest.update(logits));
      if (i < steps.length - 1) logits = await body.forward([step.id]);
    }
    expect(steps.map(({ stop }) => stop)).toEqual([...Array(steps.length - 1).fill(undefined), steps.at(-1)?.stop]);
    expect(steps.length).toBe(6);
  });

  test("takes a text for its ids", async () => {
    const ids = routed.tokenizer?.encode("A=B") ?? [];
    expect(await run(routed, "A=B", { maxTokens: 5 })).toEqual(await run(routed, ids, { maxTokens: 5 }));
  });

  test("chooses the same ids for the same seed", async () => {
    const sampled = (seed: number) => run(long, [3, 4], { maxTokens: 30, temperature: 1, topK: 0, seed });
    const one = await sampled(1);
    expect(await sampled(1)).toEqual(one);
    expect(idsOf(await sampled(2))).not.toEqual(idsOf(one));
  });

  test("runs a prompt of several chunks as one", async () => {
    const prompt = Array.from({ length: 270 }, (_, i) => 2 + ((i * i) % 38));
    const done: number[] = [];
    const steps = await run(long, prompt, { maxTokens: 2, onPrompt: (n, total) => done.push(n, total) });
    expect(done).toEqual([256, 270, 270, 270]);
    const logits = await open(long).forward(prompt);
    expect(steps[0]?.logitsDigest).toEqual(createLogitsDigest().update(logits));
  });

  test("goes on where the body stands", async () => {
    const body = open(long);
    const first = await collect(body.generate([3, 4, 5], { maxTokens: 3 }));
    const then = await collect(body.generate([9], { maxTokens: 3 }));
    const whole = await run(long, [3, 4, 5, ...idsOf(first).slice(0, -1), 9], { maxTokens: 3 });
    expect(idsOf(then)).toEqual(idsOf(whole));
  });

  test("penalises ids of the prompt too", async () => {
    const [plain] = await run(long, [3, 4], { maxTokens: 1 });
    const prompt = [plain?.id ?? 0, 3, 4];
    const [free] = await run(long, prompt, { maxTokens: 1 });
    const [held] = await run(long, prompt, { maxTokens: 1, repeatPenalty: 100 });
    const logits = await open(long).forward(prompt);
    expect(free?.id).toBe(likeliest(logits.mantissas));
    expect(prompt).not.toContain(held?.id);
  });
});

describe("a generation ends", () => {
  test("with length at maxTokens", async () => {
    const steps = await run(long, [3], { maxTokens: 4 });
    expect(steps.length).toBe(4);
    expect(steps.at(-1)?.stop).toBe("length");
  });

  test("with context when no further position fits, each of which was used", async () => {
    const body = open(routed);
    const steps = await collect(body.generate([3, 4, 5]));
    expect(steps.at(-1)?.stop).toBe("context");
    expect(body.length).toBe(routed.context);
    expect(steps.length).toBe(routed.context - 3 + 1);
  });

  test("with eos at an id of the end, which has no text", async () => {
    // Whatever a greedy run gives third is made the end.
    const weights = randomWeights(tinyFold("dense"), 7);
    const free = await run(await loadModel(await sealArtifact(weights)), [3, 4], { maxTokens: 6 });
    const end = free[2]?.id ?? -1;
    expect(idsOf(free).indexOf(end)).toBe(2);
    const model = await loadModel(
      await sealArtifact({ ...weights, vocabulary: { ...weights.vocabulary, eos: [end] } }),
    );
    const steps = await run(model, [3, 4], { maxTokens: 6 });
    expect(idsOf(steps)).toEqual(idsOf(free).slice(0, 3));
    expect(steps.at(-1)).toMatchObject({ text: "", stop: "eos" });
  });

  test("with stop at a stop text, which is left out, and what follows it too", async () => {
    const free = await run(long, [3, 4], { maxTokens: 8 });
    const text = free.map((step) => step.text).join("");
    const stop = text.slice(3, 5);
    expect(text.indexOf(stop)).toBe(3);
    const steps = await run(long, [3, 4], { maxTokens: 8, stop: [stop] });
    expect(steps.map((step) => step.text).join("")).toBe(text.slice(0, 3));
    expect(steps.at(-1)?.stop).toBe("stop");
    expect(steps.length).toBeLessThan(free.length);
  });

  test("with all text that was held back for a stop text that did not come", async () => {
    const free = await run(long, [3, 4], { maxTokens: 5 });
    const text = free.map((step) => step.text).join("");
    const steps = await run(long, [3, 4], { maxTokens: 5, stop: [`${text.slice(-2)}\u0000`] });
    expect(steps.map((step) => step.text).join("")).toBe(text);
    expect(steps.at(-1)?.stop).toBe("length");
  });
});

describe("generate refuses", () => {
  test.each([
    { what: "an empty prompt", prompt: [], options: {}, code: "ids" },
    { what: "an empty text", prompt: "", options: {}, code: "ids" },
    { what: "an id without logits", prompt: [40], options: {}, code: "ids" },
    { what: "a prompt beyond the context", prompt: Array(33).fill(3), options: {}, code: "context" },
    { what: "no tokens", prompt: [3], options: { maxTokens: 0 }, code: "option" },
    { what: "half a token", prompt: [3], options: { maxTokens: 0.5 }, code: "option" },
    { what: "a sampling option out of range", prompt: [3], options: { temperature: -1 }, code: "option" },
  ])("$what, and runs nothing", async ({ prompt, options, code }) => {
    const body = open(routed);
    await expect(collect(body.generate(prompt, options))).rejects.toThrow(runtimeError(code));
    expect(body.length).toBe(0);
  });

  test("text where the artifact seals none", async () => {
    const weights = randomWeights(tinyFold("dense"), 7);
    const model = await loadModel(await sealArtifact({ ...weights, vocabulary: { eos: [] } }));
    expect(model.tokenizer).toBeUndefined();
    await expect(run(model, "A")).rejects.toThrow(runtimeError("no-text"));
    await expect(run(model, [3], { stop: ["x"] })).rejects.toThrow(runtimeError("no-text"));
    const steps = await run(model, [3], { maxTokens: 3 });
    expect(steps.map(({ text }) => text)).toEqual(["", "", ""]);
  });

  test("two users of one body", async () => {
    const body = open(long);
    const one = body.generate([3]);
    await one.next();
    await body.forward([4]);
    await expect(one.next()).rejects.toThrow(runtimeError("interleaved"));
  });
});

describe("an abort", () => {
  test("before the start runs nothing", async () => {
    const body = open(long);
    await expect(collect(body.generate([3], { signal: AbortSignal.abort() }))).rejects.toThrow("aborted");
    expect(body.length).toBe(0);
  });

  test("between chunks of the prompt stops there", async () => {
    const body = open(long);
    const controller = new AbortController();
    const steps = body.generate(Array(270).fill(3), {
      signal: controller.signal,
      onPrompt: () => controller.abort(new Error("enough")),
    });
    await expect(collect(steps)).rejects.toThrow("enough");
    expect(body.length).toBe(256);
  });

  test("comes through while the engine is busy", async () => {
    // Nobody but the timer aborts: it fires only if generate lets other tasks run.
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("late")), 60);
    const body = open(long);
    const busy = async () => {
      const end = Date.now() + 5000;
      while (Date.now() < end) await collect(open(long).generate([3], { signal: controller.signal }));
    };
    await expect(busy()).rejects.toThrow("late");
    expect(body.length).toBe(0);
  });

  test("leaves the body as it stands, to go on with", async () => {
    const body = open(long);
    const controller = new AbortController();
    const steps = body.generate([3, 4], { signal: controller.signal });
    const first = await steps.next();
    controller.abort(new Error("enough"));
    await expect(steps.next()).rejects.toThrow("enough");
    expect(body.length).toBe(2);
    expect(first.done).toBe(false);
    expect(await body.forward([9])).toEqual(await open(long).forward([3, 4, 9]));
  });
});

interface GreedyReference {
  readonly prompt: string;
  readonly ids: readonly number[];
  readonly routes: readonly number[];
  readonly greedy: readonly number[];
  readonly text: string;
}

describe.skipIf(!s7MiniPath)("on s7-mini", () => {
  const folder = s7MiniPath ?? "";
  let mini: Model;
  beforeAll(async () => {
    const checkpoints = join(folder, "checkpoints");
    const experts = [0, 1, 2, 3].map((expert) => join(checkpoints, `expert${expert}_final`));
    const checkpoint = await openCheckpoint({ trunk: join(checkpoints, "trunk_final"), experts });
    mini = await loadModel(await sealArtifact(quantize(checkpoint)));
    await checkpoint.close();
  });

  test("prompts have the ids, routes and first token of the float reference", async () => {
    const { greedy } = readJson<{ greedy: GreedyReference[] }>(join(folder, "reference.json"));
    expect(greedy.length).toBeGreaterThan(0);
    for (const { prompt, ids, routes, greedy: expected } of greedy) {
      const body = open(mini);
      const [step] = await collect(body.generate(prompt, { maxTokens: 1 }));
      expect(body.ids).toEqual(ids);
      expect(body.routes).toEqual(routes);
      expect(step?.id).toBe(expected[0]);
    }
  });

  test("a greedy text is the float reference's, token by token", async () => {
    const [reference] = readJson<{ greedy: GreedyReference[] }>(join(folder, "reference.json")).greedy;
    const steps = await run(mini, reference?.prompt ?? "", { maxTokens: reference?.greedy.length ?? 0 });
    expect(idsOf(steps)).toEqual(reference?.greedy);
    expect(steps.map(({ text }) => text).join("")).toBe(reference?.text);
  });
});

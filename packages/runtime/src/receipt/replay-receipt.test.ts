import { randomWeights, TINY_KINDS, tinyFold, tinyWeights } from "@s7l/fixtures";
import { toHex } from "@s7l/format";
import { beforeAll, describe, expect, test } from "vitest";
import { hasExactDot } from "../../test/relaxed-dot.ts";
import { sealArtifact } from "../../test/sealed.ts";
import type { GenerateOptions, GenerateStep } from "../generation/generate.ts";
import { type LoadOptions, loadModel, type Model } from "../model.ts";
import { STX } from "../session/gate.ts";
import { openSession } from "../session/session.ts";
import { createLogitsDigest } from "./logits-digest.ts";
import { createReceipt, encodeReceipt, parseReceipt, type Receipt } from "./receipt.ts";
import { replayReceipt } from "./replay-receipt.ts";

const HOSTS: readonly LoadOptions[] = [
  { engine: "interpreter" },
  { engine: "simd", threads: 1 },
  { engine: "simd", threads: 3 },
  ...(hasExactDot ? [{ engine: "relaxed", threads: 2 } as const] : []),
];
/** Tokens that a sampled run makes; in `npm run test:whole` as many as the context holds. Threads beyond the cores are slow. */
const SAMPLED_TOKENS = process.env.S7L_WHOLE ? {} : { maxTokens: 8 };
/** For titles: what a run has compared. */
const HOST_NAMES = HOSTS.map(({ engine }) => engine).join(", ");

async function receiptOf(model: Model, prompt: readonly number[], options: GenerateOptions): Promise<Receipt> {
  const steps: GenerateStep[] = [];
  const session = openSession(model);
  for await (const step of session.begin(STX).generate(prompt, options)) steps.push(step);
  session.close();
  return createReceipt(model, prompt, options, steps);
}

const SAMPLED = { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 4, repeatPenalty: 1.2 };

describe.each(TINY_KINDS)("a receipt of a %s model", (kind) => {
  test(`is replayed by every engine, thread count and chunk: ${HOST_NAMES}`, async () => {
    const artifact = await sealArtifact(tinyWeights(kind));
    const models = await Promise.all(HOSTS.map((options) => loadModel(artifact, options)));
    for (const [i, model] of models.entries()) {
      for (const options of [{ maxTokens: 6 }, { ...SAMPLED, ...SAMPLED_TOKENS }]) {
        const receipt = await receiptOf(model, [1, 2], options);
        const other = models[(i + 1) % models.length] as Model;
        for (const chunk of [1, 64])
          expect(await replayReceipt(other, receipt, { chunk })).toEqual({
            ok: true,
            positions: 2 + receipt.ids.length,
          });
      }
    }
  });
});

describe("replayReceipt", () => {
  let model: Model;
  let receipt: Receipt;
  beforeAll(async () => {
    model = await loadModel(await sealArtifact(randomWeights({ ...tinyFold("dense"), context: 64 }, 7)), {
      engine: "simd",
      threads: 1,
    });
    receipt = await receiptOf(model, [3, 14, 15, 9, 26], { ...SAMPLED, maxTokens: 12 });
  });

  const changed = <T>(list: readonly T[], at: number, value: T): T[] =>
    list.map((item, i) => (i === at ? value : item));
  const other = (id: number): number => (id + 1) % model.vocab;

  test.each([0, 2, 4])("finds a changed id of the prompt at its position, %i", async (at) => {
    const edited = { ...receipt, prompt: changed(receipt.prompt, at, other(receipt.prompt[at] ?? 0)) };
    expect(await replayReceipt(model, edited)).toMatchObject({ ok: false, what: "prompt", position: at });
  });

  test.each([0, 1, 7, 11])("finds a changed output at its position, the %ith", async (at) => {
    const edited = { ...receipt, ids: changed(receipt.ids, at, other(receipt.ids[at] ?? 0)) };
    for (const chunk of [1, 5, 64])
      expect(await replayReceipt(model, edited, { chunk })).toMatchObject({ ok: false, what: "id", position: 5 + at });
  });

  test.each([0, 1, 5, 6, 12, 17])("finds a changed link at its position, the %ith", async (at) => {
    const edited = { ...receipt, links: changed(receipt.links, at, "0123456789abcdef") };
    const what = at === 0 ? "head" : at <= 5 ? "prompt" : "logits";
    const position = at === 0 ? {} : { position: at - 1 };
    expect(await replayReceipt(model, edited)).toMatchObject({ ok: false, what, ...position });
  });

  test.each([
    ["temperature", { temperature: 0.9 }],
    ["top-k", { topK: 3 }],
    ["top-p", { topP: 0.5 }],
    ["min-p", { minP: 0.3 }],
    ["repeat penalty", { repeatPenalty: 1 }],
    ["repeat window", { repeatLast: 2 }],
    ["seed", { seed: "5" }],
    ["limit", { maxTokens: 13 }],
  ])("finds another %s, in the chain's head", async (_, edit) => {
    const edited = { ...receipt, sampling: { ...receipt.sampling, ...edit } };
    expect(await replayReceipt(model, edited)).toMatchObject({ ok: false, what: "head" });
  });

  test("finds other weights where they first change the logits, though a forger names their root", async () => {
    const weights = randomWeights({ ...tinyFold("dense"), context: 64 }, 8);
    const elsewhere = await loadModel(await sealArtifact(weights), { engine: "simd", threads: 1 });
    expect(await replayReceipt(elsewhere, receipt)).toMatchObject({ ok: false, what: "root", position: 5 });
    const stopping = { ...receipt, sampling: { ...receipt.sampling, stop: ["."] } };
    expect(await replayReceipt(elsewhere, stopping)).toMatchObject({ ok: false, what: "root" });
    // A forger who writes the other root into it meets the logits.
    const forged = await rechained(elsewhere, { ...receipt, root: toHex(elsewhere.artifact.root) });
    expect(await replayReceipt(elsewhere, forged)).toMatchObject({ ok: false, what: "logits", position: 5 });
  });

  /** The receipt with every link that needs no model made anew. */
  async function rechained(of: Model, edited: Receipt): Promise<Receipt> {
    const steps = edited.ids.map((id, i) => ({
      id,
      text: "",
      logitsDigest: new Uint8Array(32).fill(i),
      ...(i === edited.ids.length - 1 ? { stop: edited.ended } : {}),
    }));
    const { seed, ...sampling } = edited.sampling;
    const { links } = createReceipt(of, edited.prompt, { ...sampling, seed: BigInt(seed) }, steps);
    const ahead = 1 + edited.prompt.length;
    return { ...edited, links: [...links.slice(0, ahead), ...edited.links.slice(ahead)] };
  }

  test("finds parameters that choose otherwise, though their chain is made anew", async () => {
    // What a forger with the model can write: true logits of the ids, and parameters under which they would not be chosen.
    const greedy = await receiptOf(model, receipt.prompt, { maxTokens: 12 });
    const first = greedy.ids.findIndex((id, i) => id !== receipt.ids[i]);
    expect(first).toBeGreaterThanOrEqual(0);
    const body = openSession(model).begin(STX);
    const digest = createLogitsDigest();
    const steps: GenerateStep[] = [];
    let logits = await body.forward(receipt.prompt);
    for (const [i, id] of receipt.ids.entries()) {
      const stop = i === receipt.ids.length - 1 ? { stop: "length" as const } : {};
      steps.push({ id, text: "", logitsDigest: digest.update(logits), ...stop });
      logits = await body.forward([id]);
    }
    const forged = createReceipt(model, receipt.prompt, { maxTokens: 12 }, steps);
    expect(await replayReceipt(model, forged)).toMatchObject({ ok: false, what: "choice", position: 5 + first });
  });

  test.each([
    ["eos", "end"],
    ["stop", "end"],
    ["context", "end"],
  ] as const)("finds that it did not end by %s", async (ended, what) => {
    expect(await replayReceipt(model, { ...receipt, ended })).toMatchObject({ ok: false, what, position: 16 });
  });

  test("finds an end that was left out, and one that was made up", async () => {
    const shorter = await receiptOf(model, receipt.prompt, { ...SAMPLED, maxTokens: 11 });
    const longer = { ...receipt, sampling: shorter.sampling };
    expect(await replayReceipt(model, await rechained(model, longer))).toMatchObject({ what: "logits", position: 5 });
    const cut = { ...receipt, ids: receipt.ids.slice(0, -1), links: receipt.links.slice(0, -1) };
    expect(await replayReceipt(model, cut)).toMatchObject({ what: "end", position: 15 });
  });

  test.each(["digest", "logitsDigest"] as const)("finds a changed %s", async (field) => {
    const edited = { ...receipt, [field]: "0".repeat(64) };
    expect(await replayReceipt(model, edited)).toMatchObject({ ok: false, what: "digest" });
  });

  test("refuses ids that the model does not have, without running them", async () => {
    const ids = changed(receipt.ids, 3, 0xffff_ffff);
    expect(await replayReceipt(model, { ...receipt, ids })).toMatchObject({ what: "id", position: 8 });
    const prompt = changed(receipt.prompt, 3, 0xffff_ffff);
    expect(await replayReceipt(model, { ...receipt, prompt })).toMatchObject({ what: "prompt", position: 3 });
  });

  test("covers what fills the context, and what stops at a text", async () => {
    const full = await receiptOf(model, receipt.prompt, { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 2 });
    expect(["context", "eos"]).toContain(full.ended);
    expect(await replayReceipt(model, full)).toMatchObject({ ok: true });
    const routed = await loadModel(await sealArtifact(tinyWeights("routed")), { engine: "simd" });
    const plain = await receiptOf(routed, [5, 30, 9], { maxTokens: 6 });
    const text = routed.tokenizer?.decode(plain.ids) ?? "";
    const stopped = await receiptOf(routed, [5, 30, 9], { maxTokens: 6, stop: [text.slice(2, 4)] });
    expect(stopped.ended).toBe("stop");
    expect(await replayReceipt(routed, stopped)).toMatchObject({ ok: true });
    expect(await replayReceipt(routed, { ...stopped, ended: "length" })).toMatchObject({ ok: false, what: "end" });
  });

  test("finds an end that was gone past, though the chain beyond it is the model's own", async () => {
    const routed = await loadModel(await sealArtifact(tinyWeights("routed")), { engine: "simd" });
    const [prompt, options] = [[5, 30, 9], { maxTokens: 6 }] as const;
    const steps: GenerateStep[] = [];
    for await (const step of openSession(routed).begin(STX).generate(prompt, options)) steps.push(step);
    const text = routed.tokenizer?.decode(steps.map(({ id }) => id)) ?? "";
    const stopping = { ...options, stop: [text.slice(2, 4)] };
    const { ids } = await receiptOf(routed, prompt, stopping);
    expect(ids.length).toBeLessThan(steps.length);
    const past = createReceipt(routed, prompt, stopping, steps);
    const position = prompt.length + ids.length - 1;
    expect(await replayReceipt(routed, past)).toMatchObject({ ok: false, what: "end", position });
  });

  test("of a session that went on covers all that was before", async () => {
    const session = openSession(model).begin(STX);
    await session.forward([7, 8]);
    const steps: GenerateStep[] = [];
    for await (const step of session.generate([9], { maxTokens: 4 })) steps.push(step);
    const whole = createReceipt(model, [7, 8, 9], { maxTokens: 4 }, steps);
    expect(await replayReceipt(model, whole)).toMatchObject({ ok: true });
  });

  test("accepts no receipt in which any byte was changed", async () => {
    const small = await receiptOf(model, [3, 14], { ...SAMPLED, maxTokens: 3 });
    const bytes = encodeReceipt(small);
    expect(await replayReceipt(model, parseReceipt(bytes))).toMatchObject({ ok: true });
    let parsed = 0;
    for (let i = 0; i < bytes.length; i++) {
      for (const flip of [1, 4, 0x20]) {
        const edited = bytes.slice();
        edited[i] = (edited[i] ?? 0) ^ flip;
        let read: Receipt;
        try {
          read = parseReceipt(edited);
        } catch (error) {
          expect(error).toMatchObject({ name: "FormatError" });
          continue;
        }
        parsed++;
        expect(await replayReceipt(model, read), `byte ${i} ^ ${flip}`).toMatchObject({ ok: false });
      }
    }
    expect(parsed).toBeGreaterThan(50);
  });

  test("can be aborted, and wants a chunk of at least one position", async () => {
    await expect(replayReceipt(model, receipt, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow(
      "enough",
    );
    await expect(replayReceipt(model, receipt, { chunk: 0 })).rejects.toThrow(
      expect.objectContaining({ code: "option" }),
    );
  });
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { TINY_KINDS, type TinyKind, tinyFold, tinyLexical, tinyWeights } from "@s7l/fixtures";
import { GATE_PHASES, memorySource, type Vocabulary } from "@s7l/format";
import { openVerified, type VerifiedArtifact, verify } from "@s7l/verify";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { s7MiniPath } from "../test/reference.ts";
import { sealArtifact, sealBytes, tinyModel } from "../test/sealed.ts";
import { createLogitsDigest } from "./receipt/logits-digest.ts";
import { goldenPrompts, replayGolden, replayPrompts } from "./replay-golden.ts";
import { STX } from "./session/gate.ts";
import { createLexicalRouter } from "./session/lexical-router.ts";
import { openSession, Session } from "./session/session.ts";
import { openTokenizer, requireTokenizer } from "./tokenizer/tokenizer.ts";

const runtimeError = (code: string) => expect.objectContaining({ name: "RuntimeError", code });

describe.each(TINY_KINDS)("the golden prompts of %s", (kind: TinyKind) => {
  test("are replayed by verify, bit for bit", async () => {
    const weights = tinyWeights(kind);
    const bytes = await sealBytes(weights, goldenPrompts(weights));
    const result = await verify(memorySource(bytes), { replay: replayGolden });
    expect(result.rules.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.ok).toBe(true);
  });

  test("are the same where the model is read a layer at a time", async () => {
    const weights = tinyWeights(kind);
    const artifact = await openVerified(memorySource(await sealBytes(weights, goldenPrompts(weights))));
    const prompts = artifact.golden.map(({ ids }) => ids);
    const digests = await replayGolden(artifact, prompts, { holdUpTo: 0 });
    expect(digests).toEqual(artifact.golden.map(({ digest }) => digest));
  });

  test("tell other weights apart, and one unit of one weight", async () => {
    const weights = tinyWeights(kind);
    const prompts = goldenPrompts(weights);
    const digests = async (source: typeof weights) =>
      (await openVerified(memorySource(await sealBytes(source, prompts)))).golden.map(({ digest }) => digest);
    const one = await digests(weights);
    const other = await digests(tinyWeights(kind, 8));
    const nudged = await digests({
      ...weights,
      span: async function* (tensor) {
        for await (const piece of weights.span(tensor)) {
          const copy = piece.slice();
          // The embedding's first row that is not zero: its first weight moves by one unit.
          const at = copy.findIndex((byte) => byte !== 0);
          if (tensor.name === weights.fold.embedding) copy[at] = (copy[at] ?? 0) === 127 ? 126 : (copy[at] ?? 0) ^ 1;
          yield copy;
        }
      },
    });
    expect(other).not.toEqual(one);
    expect(nudged).not.toEqual(one);
  });
});

test("a digest is that of every position's logits, and of no other prompt's", async () => {
  const model = await tinyModel("routed");
  const prompts = [Array.from({ length: 20 }, (_, i) => i), [7]];
  const digests = await replayPrompts(model, prompts);
  for (const [i, ids] of prompts.entries()) {
    const body = openSession(model).begin(STX);
    const digest = createLogitsDigest();
    for (const id of ids) digest.update(await body.forward([id]));
    expect(digests[i]).toEqual(digest.digest());
  }
});

test.each([
  { what: "no ids", prompt: [], code: "ids" },
  { what: "more than 4,096 ids", prompt: Array(4097).fill(1), code: "ids" },
  { what: "an id without logits", prompt: [99], code: "ids" },
  { what: "more positions than the context", prompt: Array(33).fill(1), code: "context" },
])("a prompt with $what is refused", async ({ prompt, code }) => {
  const model = await tinyModel("dense");
  await expect(replayPrompts(model, [prompt])).rejects.toThrow(runtimeError(code));
});

describe("a model that is read a layer at a time", () => {
  let artifact: VerifiedArtifact;
  beforeAll(async () => {
    artifact = await sealArtifact(tinyWeights("dense"));
  });

  const forgeries: readonly { readonly what: string; readonly make: (real: VerifiedArtifact) => unknown }[] = [
    { what: "nothing", make: () => undefined },
    { what: "a copy", make: (real) => ({ ...real }) },
    { what: "an object that inherits from one", make: (real) => Object.create(real) },
    { what: "a proxy of one", make: (real) => new Proxy(real, {}) },
    {
      what: "an object that has and does all that one does, with weights of its own",
      make: (real) => ({
        ...real,
        gate: real.gate,
        read: (name: string) => real.read(name),
        readRange: async (_name: string, _offset: number, target: Uint8Array) => target.fill(1),
      }),
    },
  ];

  test.each(forgeries)("is not what verify did not make: $what", async ({ make }) => {
    /** For what the types refuse already. */
    const forged = make(artifact) as VerifiedArtifact;
    await expect(replayGolden(forged, [[1]], { holdUpTo: 0 })).rejects.toThrow(runtimeError("unverified"));
  });

  test("does not run where a session would not begin: the runtime has other phases than the gate", async () => {
    const replay = () => replayGolden(artifact, [[1]], { engine: "simd", holdUpTo: 0 });
    GATE_PHASES.reverse();
    try {
      await expect(replay()).rejects.toThrow(expect.objectContaining({ name: "GateError", code: "record" }));
    } finally {
      GATE_PHASES.reverse();
    }
    expect(await replay()).toHaveLength(1);
  });
});

describe("a replay leaves nothing behind,", () => {
  const fates = [
    { fate: "that succeeds", prompts: [[1, 2], [3]], sessions: 2 },
    { fate: "that fails", prompts: [[1, 2], [99]], sessions: 2 },
  ];

  test.each(fates)("one $fate: no session", async ({ prompts, sessions }) => {
    const model = await tinyModel("dense", { engine: "simd" });
    const close = vi.spyOn(Session.prototype, "close");
    await replayPrompts(model, prompts).catch(() => undefined);
    expect(close).toHaveBeenCalledTimes(sessions);
    close.mockRestore();
  });

  test.each(fates)("one $fate: no thread", async ({ prompts }) => {
    const weights = tinyWeights("dense");
    const artifact = await openVerified(memorySource(await sealBytes(weights, [[0]])));
    let started = 0;
    const living = new Set<Worker>();
    const count = (thread: Worker): void => {
      started++;
      living.add(thread);
      thread.once("exit", () => living.delete(thread));
    };
    process.on("worker", count);
    await replayGolden(artifact, prompts, { engine: "simd", threads: 2 }).catch(() => undefined);
    process.off("worker", count);
    expect(started).toBe(2);
    await vi.waitFor(() => expect(living.size).toBe(0), 10_000);
  });
});

describe("goldenPrompts", () => {
  const vocabulary = (kind: TinyKind): Vocabulary => tinyWeights(kind).vocabulary;

  test.each(TINY_KINDS)("are the same for the same weights, few and short: %s", (kind) => {
    const prompts = goldenPrompts(tinyWeights(kind));
    expect(goldenPrompts(tinyWeights(kind, 99))).toEqual(prompts);
    expect(prompts.length).toBeLessThanOrEqual(5);
    const { context, vocab } = tinyFold(kind);
    for (const ids of prompts) {
      expect(ids.length).toBeGreaterThan(0);
      expect(ids.length).toBeLessThanOrEqual(Math.min(16, context));
      for (const id of ids) expect(id).toBeLessThan(vocab);
    }
  });

  test("differ from fold to fold, and with the text", () => {
    expect(goldenPrompts(tinyWeights("dense"))[0]).not.toEqual(goldenPrompts(tinyWeights("experts"))[0]);
    expect(goldenPrompts({ fold: tinyFold("dense"), vocabulary: { eos: [] } }).length).toBe(1);
  });

  test("reach each expert that a route of the table leads to", () => {
    // A vocabulary of plain words, so that the triggers can be spelt.
    const words = ["The", " sea", " was", " calm", "def ", "=", "because"];
    const vocab = new TextEncoder().encode(JSON.stringify(Object.fromEntries(words.map((word, id) => [word, id]))));
    const weights = { fold: tinyFold("routed"), lexical: tinyLexical, vocabulary: { ...vocabulary("routed"), vocab } };
    expect(reached(weights.vocabulary, goldenPrompts(weights), tinyLexical)).toEqual([0, 1, 2, 3]);
  });

  test("are each given once, where the vocabulary spells several texts with the same ids", () => {
    const vocab = new TextEncoder().encode('{"x": 0}');
    const weights = { fold: tinyFold("routed"), lexical: tinyLexical, vocabulary: { vocab, eos: [] } };
    const prompts = goldenPrompts(weights);
    expect(prompts.slice(1)).toEqual([new Array(16).fill(0)]);
    const narrow = { fold: { ...tinyFold("routed"), vocab: 1 }, lexical: tinyLexical, vocabulary: { vocab, eos: [] } };
    expect(goldenPrompts(narrow)).toEqual([new Array(16).fill(0)]);
  });

  test("leave out a sentence that the tokenizer cannot spell", () => {
    const tokenizer = new TextEncoder().encode(
      JSON.stringify({
        model: { type: "BPE", vocab: { x: 0, y: 1 }, merges: [] },
        normalizer: null,
        pre_tokenizer: null,
        post_processor: null,
        decoder: { type: "ByteLevel" },
        added_tokens: [],
      }),
    );
    const fold = tinyFold("dense");
    expect(goldenPrompts({ fold, vocabulary: { tokenizer, eos: [] } })).toEqual(
      goldenPrompts({ fold, vocabulary: { eos: [] } }),
    );
  });

  test.skipIf(!s7MiniPath)("reach each expert of s7-mini", () => {
    const folder = join(s7MiniPath ?? "", "checkpoints/trunk_final");
    const tokenizer = new Uint8Array(readFileSync(join(folder, "tokenizer.json")));
    const { router } = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
    const lexical = {
      ...router,
      domains: router.domains.map((domain: { caseInsensitive: boolean }) => ({
        ...domain,
        caseInsensitive: domain.caseInsensitive ? 1 : 0,
      })),
      fallback: { name: "general", expert: 3 },
    };
    const weights = { fold: { ...tinyFold("routed"), vocab: 4096 }, lexical, vocabulary: { tokenizer, eos: [1] } };
    expect(reached(weights.vocabulary, goldenPrompts(weights), lexical)).toEqual([0, 1, 2, 3]);
  });

  /** Experts that the text prompts route to (the first prompt is drawn ids). */
  function reached(
    sealed: Vocabulary,
    prompts: readonly (readonly number[])[],
    lexical: Parameters<typeof createLexicalRouter>[0],
  ): number[] {
    const tokenizer = requireTokenizer({ tokenizer: openTokenizer(sealed, 4096) });
    const experts = prompts.slice(1).flatMap((ids) => {
      const { step } = createLexicalRouter(lexical)();
      return ids.map((id) => step(tokenizer.bytes(id)));
    });
    return [...new Set(experts)].sort();
  }
});

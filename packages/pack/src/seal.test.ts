import {
  fakeDigests,
  fakeGoldens,
  randomSpan,
  randomWeights,
  TINY_KINDS,
  tinyFold,
  tinyLexical,
  tinyWeights,
} from "@s7l/fixtures";
import {
  type ByteSource,
  memorySink,
  type PlannedTensor,
  readHeader,
  spanLayout,
  toHex,
  type WeightSource,
} from "@s7l/format";
import { describe, expect, test } from "vitest";
import type { Prompts } from "./plan.ts";
import { type SealOptions, seal } from "./seal.ts";

async function sealed(
  weights: WeightSource,
  options: Partial<SealOptions> = {},
): Promise<{ readonly root: string; readonly bytes: Uint8Array }> {
  const sink = memorySink();
  const { root, size } = await seal(weights, sink, { ...fakeGoldens(weights), ...options });
  expect(sink.bytes()).toHaveLength(size);
  return { root: toHex(root), bytes: sink.bytes() };
}

describe("seal", () => {
  test.each(TINY_KINDS)("gives the same bytes for the same %s weights, however they come in pieces", async (kind) => {
    const fold = tinyFold(kind);
    const first = await sealed(randomWeights(fold, 7));
    expect(await sealed(randomWeights(fold, 7))).toEqual(first);
    expect(await sealed(randomWeights(fold, 7, 1))).toEqual(first);
    expect(await sealed(randomWeights(fold, 7, 33))).toEqual(first);
  });

  test("gives the root that the header carries", async () => {
    const { root, bytes } = await sealed(tinyWeights("dense"));
    expect(toHex(readHeader(bytes.subarray(0, 256)).root)).toBe(root);
  });

  test("gives another root for another weight, name, policy, prompt and chunk size", async () => {
    const weights = tinyWeights("dense");
    const roots = [
      await sealed(weights),
      await sealed(tinyWeights("dense", 8)),
      await sealed({ ...weights, meta: { name: "other" } }),
      await sealed(weights, { policy: { maxContext: 16 } }),
      await sealed(weights, { prompts: [[1]] }),
      await sealed(weights, { chunkLog2: 16 }),
    ].map(({ root }) => root);
    expect(new Set(roots).size).toBe(roots.length);
  });

  test("shows the golden callback a whole draft, and patches only what follows from its digests", async () => {
    let draft = new Uint8Array();
    let asked: Prompts = [];
    const { bytes } = await sealed(tinyWeights("dense"), {
      golden: async (source: ByteSource, prompts) => {
        draft = (await source.read(0, source.size)).slice();
        asked = prompts;
        return fakeDigests(prompts);
      },
    });
    expect(asked).toEqual(fakeGoldens(tinyWeights("dense")).prompts);
    expect(draft).toHaveLength(bytes.length);
    // The root and the table digest, GOLDEN's own digest in the table, and GOLDEN.
    const changed = [...bytes].flatMap((byte, at) => (byte === draft[at] ? [] : [at]));
    expect(changed.length).toBeGreaterThan(0);
    expect(changed.length).toBeLessThanOrEqual(32 + 32 + 32 + 4 * 32);
  });

  test("splits large tensors into chunks without letting one cross into the next tensor", async () => {
    const fold = { ...tinyFold("dense"), vocab: 9000 };
    const { bytes } = await sealed(randomWeights(fold, 3), { chunkLog2: 16 });
    const { leafCount, tensorCount } = readHeader(bytes.subarray(0, 256));
    // Embedding and head have 9000 rows of 16 bytes and 4 bytes of scale: 180,000 bytes, three chunks of 64 KiB each.
    expect(leafCount).toBe(tensorCount + 4);
  });

  test("takes a source that hands out the same buffer again and again", async () => {
    const weights = tinyWeights("dense");
    const buffer = new Uint8Array(64);
    const reusing: WeightSource = {
      ...weights,
      span: async function* (tensor) {
        const span = randomSpan(tensor, 7);
        for (let at = 0; at < span.length; at += buffer.length) {
          const part = span.subarray(at, at + buffer.length);
          buffer.set(part);
          yield buffer.subarray(0, part.length);
        }
      },
    };
    expect(await sealed(reusing)).toEqual(await sealed(weights));
  });

  test("reports progress in bytes, up to the whole", async () => {
    const seen: (readonly [number, number])[] = [];
    await sealed(tinyWeights("dense"), { onProgress: (done, total) => seen.push([done, total]) });
    expect(seen.at(-1)?.[0]).toBe(seen.at(-1)?.[1]);
  });

  test("stops when it is aborted", async () => {
    await expect(sealed(tinyWeights("dense"), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: "AbortError",
    });
  });
});

/** The dense weights with the span of one tensor changed. */
function withSpan(name: string, change: (span: Uint8Array, tensor: PlannedTensor) => Uint8Array): WeightSource {
  const weights = tinyWeights("dense");
  return {
    ...weights,
    span: async function* (tensor) {
      const span = randomSpan(tensor, 7);
      yield tensor.name === name ? change(span, tensor) : span;
    },
  };
}

const MATRIX = "lm_head.weight";
const GAIN = "model.norm.weight";

describe("weights that break a rule", () => {
  test.each<[string, WeightSource]>([
    ["a span one byte short", withSpan(MATRIX, (span) => span.subarray(1))],
    ["an empty span", withSpan(MATRIX, () => new Uint8Array())],
    ["a span 32 bytes long", withSpan(MATRIX, (span) => Uint8Array.of(...span, ...new Uint8Array(32)))],
    ["-128", withSpan(MATRIX, (span) => span.fill(0x80, 0, 1))],
    [
      "a scale of NaN",
      withSpan(MATRIX, (span, tensor) => {
        new DataView(span.buffer).setUint32(spanLayout(tensor).scales, 0x7fc00000, true);
        return span;
      }),
    ],
    ["infinity in a vector", withSpan(GAIN, (span) => span.fill(0x7f, 0, 4).fill(0x80, 2, 3))],
  ])("are refused by the tensor's name: %s", async (_, weights) => {
    const error = await sealed(weights).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: "PackError", code: "weights" });
    expect(String(error)).toMatch(/lm_head\.weight|model\.norm\.weight/);
  });

  test("are refused when the source of a hash is missing", async () => {
    const weights = { ...tinyWeights("dense"), sourceDigest: () => new Uint8Array(31) };
    await expect(sealed(weights)).rejects.toMatchObject({ code: "schema", at: expect.stringContaining("sha256") });
  });
});

describe("what does not fit the fold", () => {
  const routed = tinyWeights("routed");
  const { lexical, ...unrouted } = routed;
  const utf8 = (text: string) => new TextEncoder().encode(text);
  const twice = { ...tinyLexical, domains: tinyLexical.domains.map((it) => ({ ...it, triggers: ["x", "x"] })) };
  const beyond = { ...tinyLexical, domains: tinyLexical.domains.map((it) => ({ ...it, expert: 4095 })) };
  test.each<[string, WeightSource, Partial<SealOptions>, string]>([
    ["a routed stage without a routing table", unrouted, {}, "weights"],
    [
      "a routing table without a routed stage",
      { ...tinyWeights("dense"), ...(lexical ? { lexical } : {}) },
      {},
      "weights",
    ],
    ["a special token outside the vocabulary", { ...routed, vocabulary: { eos: [40] } }, {}, "weights"],
    ["tokens that end a text in disorder", { ...routed, vocabulary: { eos: [2, 1] } }, {}, "weights"],
    ["a token that ends a text twice", { ...routed, vocabulary: { eos: [1, 1] } }, {}, "weights"],
    ["a first token outside the vocabulary", { ...routed, vocabulary: { eos: [], bos: 40 } }, {}, "weights"],
    ["a routing table with a trigger twice", { ...routed, lexical: twice }, {}, "weights"],
    ["a domain whose expert there is not", { ...routed, lexical: beyond }, {}, "weights"],
    [
      "a fallback whose expert there is not",
      { ...routed, lexical: { ...tinyLexical, fallback: { name: "x", expert: 4095 } } },
      {},
      "weights",
    ],
    [
      "a matrix that was copied",
      { ...routed, origin: (tensor) => ({ ...routed.origin(tensor), method: "copy" }) },
      {},
      "weights",
    ],
    ["two vocabularies", { ...routed, vocabulary: { ...routed.vocabulary, tokenizer: utf8("{}") } }, {}, "weights"],
    [
      "a vocab.json with a token twice",
      { ...routed, vocabulary: { vocab: utf8('{"a":0,"a":1}'), eos: [] } },
      {},
      "weights",
    ],
    ["a policy beyond the context", routed, { policy: { maxContext: 33 } }, "option"],
    ["chunks of 2^15", routed, { chunkLog2: 15 }, "option"],
    ["chunks of 2^25", routed, { chunkLog2: 25 }, "option"],
    ["chunks of 2^16.5", routed, { chunkLog2: 16.5 }, "option"],
    ["no prompts", routed, { prompts: [] }, "golden"],
    ["65 prompts", routed, { prompts: new Array<number[]>(65).fill([1]) }, "golden"],
    ["513 ids", routed, { prompts: Array.from({ length: 19 }, (_, i) => new Array<number>(27).fill(i)) }, "golden"],
    ["a prompt twice", routed, { prompts: [[1, 2], [12], [1, 2]] }, "golden"],
    ["an empty prompt", routed, { prompts: [[]] }, "golden"],
    ["a prompt longer than the context", routed, { prompts: [new Array<number>(33).fill(1)] }, "golden"],
    ["an id outside the vocabulary", routed, { prompts: [[40]] }, "golden"],
    ["an id that is not an integer", routed, { prompts: [[0.5]] }, "golden"],
    ["too few digests", routed, { golden: async () => [] }, "golden"],
    ["a digest of zeros", routed, { golden: async (_, prompts) => prompts.map(() => new Uint8Array(32)) }, "golden"],
    [
      "a short digest",
      routed,
      { golden: async (_, prompts) => prompts.map(() => new Uint8Array(31).fill(1)) },
      "golden",
    ],
  ])("is refused: %s", async (_, weights, options, code) => {
    await expect(sealed(weights, options)).rejects.toMatchObject({ name: "PackError", code });
  });
});

import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { matricesOf, spanOf } from "../../test/matrices.ts";
import { tensorPlan } from "../fold/tensor-plan.ts";
import { sha256 } from "../hash.ts";
import type { WeightSource } from "../weights.ts";
import { writeWeights } from "./write-weights.ts";

let parent = "";
let folder = "";
const source = sha256(Uint8Array.of(1));

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "s7l-weights-"));
  folder = join(parent, "deep", "er");
});
afterEach(() => rm(parent, { recursive: true }));

/** Weights of which one span is another. */
const withSpan = (name: string, pieces: (span: Uint8Array) => Iterable<Uint8Array>): WeightSource => {
  const weights = matricesOf();
  return {
    ...weights,
    span: async function* (tensor) {
      if (tensor.name === name) yield* pieces(spanOf(tensor));
      else yield* weights.span(tensor);
    },
  };
};
const lost = (): never => {
  throw new Error("the host went down");
};

describe("writing a weights folder", () => {
  test("makes the folder, and puts the spans one after another in the plan's order", async () => {
    const weights = matricesOf();
    await writeWeights(folder, weights);
    const spans = tensorPlan(weights.fold).map(spanOf);
    expect(new Uint8Array(await readFile(join(folder, "weights.bin")))).toEqual(new Uint8Array(Buffer.concat(spans)));
    expect((await readdir(folder)).sort()).toEqual(["tokenizer.json", "weights.bin", "weights.json"]);
  });

  test("tells how many bytes are done, of all, and goes on counting where it was killed", async () => {
    const sizes = tensorPlan(matricesOf().fold).map((tensor) => spanOf(tensor).length);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const sums = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((sum, size) => sum + size, 0));
    const seen: (readonly [number, number])[] = [];
    const onProgress = (...progress: readonly [number, number]): void => void seen.push(progress);
    const last = tensorPlan(matricesOf().fold).at(-1)?.name ?? "";
    await expect(writeWeights(folder, withSpan(last, lost), { source, saveEvery: 0, onProgress })).rejects.toThrow(
      "went down",
    );
    expect(seen).toEqual(sums.slice(0, -1).map((done) => [done, total]));
    seen.length = 0;
    expect(await writeWeights(folder, matricesOf(), { source, onProgress })).toMatchObject({
      resumed: sizes.length - 1,
    });
    expect(seen).toEqual([[total, total]]);
    expect((await stat(join(folder, "weights.bin"))).size).toBe(total);
  });

  test("takes up tensors of several megabytes that an earlier run had finished", async () => {
    const weights = matricesOf(2500, 1024, 1_000_000);
    const failing: WeightSource = {
      ...weights,
      span: (tensor) => (tensor.name === "narrow" ? lost() : weights.span(tensor)),
    };
    await expect(writeWeights(folder, failing, { source, saveEvery: 0 })).rejects.toThrow("went down");
    expect(await writeWeights(folder, weights, { source })).toMatchObject({ resumed: 3 });
    const spans = tensorPlan(weights.fold).map(spanOf);
    expect(Buffer.compare(await readFile(join(folder, "weights.bin")), Buffer.concat(spans))).toBe(0);
  });

  test("keeps what it has when it is killed again, before and after it finished more", async () => {
    const [first = "", second = "", third = ""] = tensorPlan(matricesOf().fold).map(({ name }) => name);
    await expect(writeWeights(folder, withSpan(second, lost), { source, saveEvery: 0 })).rejects.toThrow("went down");
    for (const [failing, resumed] of [
      [second, 1],
      [third, 1],
      [third, 2],
    ] as const) {
      let seen = 0;
      const options = { source, saveEvery: 1e9, onProgress: () => seen++ };
      await expect(writeWeights(folder, withSpan(failing, lost), options)).rejects.toThrow("went down");
      expect(seen).toBe([first, second, third].indexOf(failing) - resumed);
    }
    expect(await writeWeights(folder, matricesOf(), { source })).toMatchObject({ resumed: 2 });
  });

  test("goes on with nothing but the same weights from the same source", async () => {
    const weights = matricesOf();
    const third = tensorPlan(weights.fold)[2]?.name ?? "";
    const killed = () =>
      writeWeights(folder, withSpan(third, lost), { source, saveEvery: 0 }).catch((error: unknown) => error);
    for (const [from, given] of [
      [{ ...weights, meta: { name: "another" } }, source],
      [{ ...weights, fold: { ...weights.fold, context: 6 } }, source],
      [{ ...weights, vocabulary: { ...weights.vocabulary, eos: [2] } }, source],
      [{ ...weights, vocabulary: { ...weights.vocabulary, tokenizer: Uint8Array.of(0x7b, 0x7d) } }, source],
      [{ ...weights, lexical: { windowBytes: 9, domains: [], fallback: { name: "", expert: 0 } } }, source],
      [weights, sha256(Uint8Array.of(2))],
    ] as const) {
      await rm(folder, { recursive: true, force: true });
      expect(await killed()).toBeInstanceOf(Error);
      expect(await writeWeights(folder, from, { source: given })).toMatchObject({ resumed: 0 });
    }
    expect((await readdir(folder)).filter((name) => name.startsWith(".weights-"))).toHaveLength(2);
    expect(await writeWeights(folder, weights, { source })).toMatchObject({ resumed: 2 });
    expect((await readdir(folder)).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test.each<[string, (bytes: Buffer) => Buffer, number]>([
    ["cut off within its second tensor", (bytes) => bytes.subarray(0, 70), 1],
    ["changed in its first tensor", (bytes) => bytes.fill(1, 0, 1), 1],
    ["gone", () => Buffer.of(), 0],
  ])("believes no file that was %s while nobody looked", async (_, damage, resumed) => {
    const third = tensorPlan(matricesOf().fold)[2]?.name ?? "";
    await expect(writeWeights(folder, withSpan(third, lost), { source, saveEvery: 0 })).rejects.toThrow("went down");
    const part = join(folder, (await readdir(folder)).find((name) => name.endsWith(".part")) ?? "");
    await writeFile(part, damage(await readFile(part)));
    expect(await writeWeights(folder, matricesOf(), { source })).toMatchObject({ resumed });
    const spans = tensorPlan(matricesOf().fold).map(spanOf);
    expect(Buffer.compare(await readFile(join(folder, "weights.bin")), Buffer.concat(spans))).toBe(0);
  });

  test("hands back the notes of all tensors, as JSON keeps them, and writes the report made of them", async () => {
    const names = tensorPlan(matricesOf().fold).map(({ name }) => name);
    const { notes } = await writeWeights(folder, matricesOf(), {
      note: ({ name }) => ({ name, error: Number.NaN }),
      report: (all) => ({ all: all.length }),
    });
    expect(notes).toEqual(names.map((name) => ({ name, error: null })));
    expect(JSON.parse(await readFile(join(folder, "report.json"), "utf8"))).toEqual({ all: names.length });
  });

  test("removes what killed runs left of its small files, and nothing of anybody else's", async () => {
    await writeWeights(folder, matricesOf());
    for (const name of [".weights.json.0123.part", ".report.json.45.part", ".mine.part", ".weights.json.kept"])
      await writeFile(join(folder, name), "x");
    await writeWeights(folder, matricesOf());
    expect((await readdir(folder)).filter((name) => name.startsWith("."))).toEqual([
      ".mine.part",
      ".weights.json.kept",
    ]);
  });
});

describe("writing a weights folder ends", () => {
  test("where no folder can be made", async () => {
    await writeFile(join(parent, "file"), "");
    const blocked = join(parent, "file", "weights");
    await expect(writeWeights(blocked, matricesOf())).rejects.toMatchObject({
      name: "FormatError",
      code: "io",
      at: blocked,
      cause: expect.objectContaining({ code: "ENOTDIR" }),
    });
  });

  test.each<[string, (span: Uint8Array) => readonly Uint8Array[]]>([
    ["a byte too many in its only piece", (span) => [Uint8Array.of(...span, 0)]],
    ["a byte too many in its last piece", (span) => [span.slice(0, 20), Uint8Array.of(...span.slice(20), 0)]],
    ["one more piece", (span) => [span, Uint8Array.of(0)]],
    ["a byte too few", (span) => [span.slice(1)]],
    ["no piece", () => []],
  ])("where a span has %s, before it is written over another", async (_, pieces) => {
    const [first, second] = tensorPlan(matricesOf().fold);
    await expect(writeWeights(folder, withSpan("embedding", pieces))).rejects.toMatchObject({
      name: "FormatError",
      code: "content",
      at: "embedding",
    });
    expect([first?.name, second?.name]).toEqual(["embedding", "head"]);
    expect(await readdir(folder)).toEqual([]);
  });

  test("as soon as a span goes on past its end", async () => {
    let pulled = 0;
    const endless = withSpan("embedding", (span) =>
      (function* () {
        for (; pulled < 1000; pulled++) yield span.slice(0, 20);
      })(),
    );
    await expect(writeWeights(folder, endless)).rejects.toMatchObject({ code: "content", at: "embedding" });
    expect(pulled).toBeLessThan(10);
  });

  test("where the weights are not accepted, which leaves no folder that looks whole", async () => {
    await expect(writeWeights(folder, matricesOf(), { accept: async () => lost() })).rejects.toThrow("went down");
    expect(await readdir(folder)).toEqual([]);
  });

  test("when it is told to, between tensors and within one", async () => {
    const stop = new AbortController();
    const endless: WeightSource = {
      ...matricesOf(),
      span: async function* () {
        for (;;) {
          yield new Uint8Array(0);
          stop.abort();
        }
      },
    };
    await expect(writeWeights(folder, endless, { signal: stop.signal })).rejects.toMatchObject({ name: "AbortError" });
    await expect(writeWeights(folder, matricesOf(), { signal: stop.signal })).rejects.toMatchObject({
      name: "AbortError",
    });
    expect(await readdir(folder)).toEqual([]);
  });
});

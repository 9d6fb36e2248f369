import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { matricesOf, spanOf } from "../../test/matrices.ts";
import type { PlannedTensor } from "../fold/tensor-plan.ts";
import { tensorPlan } from "../fold/tensor-plan.ts";
import { concatBytes, sha256 } from "../hash.ts";
import type { WeightSource } from "../weights.ts";
import { openWeights } from "./open-weights.ts";
import { writeWeights } from "./write-weights.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-weights-"));
});
afterEach(() => rm(folder, { recursive: true }));

const indexPath = (): string => join(folder, "weights.json");

async function spanFrom(weights: WeightSource, tensor: PlannedTensor): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of weights.span(tensor)) pieces.push(piece.slice());
  return concatBytes(...pieces);
}

describe("a weights folder that was written", () => {
  test("gives back all that went into it", async () => {
    const written = matricesOf();
    await writeWeights(folder, written);
    const opened = await openWeights(folder);
    const { fold, lexical, vocabulary, meta } = written;
    expect(opened).toMatchObject({ fold, lexical, vocabulary, meta });
    expect(opened.vocabulary).not.toHaveProperty("vocab");
    expect(opened.identity).toEqual(sha256(await readFile(indexPath())));
    for (const tensor of tensorPlan(fold)) {
      expect(opened.origin(tensor)).toEqual(written.origin(tensor));
      expect(opened.sourceDigest(tensor)).toEqual(written.sourceDigest(tensor));
      expect(await spanFrom(opened, tensor)).toEqual(spanOf(tensor));
    }
    await opened.close();
  });

  test("has no routing and no tokenizer where the weights have none", async () => {
    const { lexical: _, ...weights } = matricesOf();
    await writeWeights(folder, { ...weights, vocabulary: { vocab: new TextEncoder().encode("{}"), eos: [] } });
    expect((await readdir(folder)).sort()).toEqual(["vocab.json", "weights.bin", "weights.json"]);
    const opened = await openWeights(folder);
    expect(opened).not.toHaveProperty("lexical");
    expect(opened.vocabulary).toEqual({ vocab: new TextEncoder().encode("{}"), eos: [] });
    await opened.close();
  });

  test("may have tensors of any size, several of them read at once", async () => {
    const written = matricesOf(2500, 1024, 1_500_000);
    await writeWeights(folder, written);
    const opened = await openWeights(folder);
    const plan = tensorPlan(written.fold);
    for (const tensors of [plan, plan.toReversed()]) {
      const spans = await Promise.all(tensors.map((tensor) => spanFrom(opened, tensor)));
      for (const [i, tensor] of tensors.entries())
        expect(Buffer.compare(spans[i] ?? Buffer.of(), spanOf(tensor)), tensor.name).toBe(0);
    }
    await opened.close();
  });

  test("says where it is asked for a tensor that it has not", async () => {
    await writeWeights(folder, matricesOf());
    const opened = await openWeights(folder);
    const tensor: PlannedTensor = { name: "nowhere", dtype: "i8", shape: [1, 1], component: "trunk" };
    for (const ask of [() => opened.span(tensor), () => opened.origin(tensor), () => opened.sourceDigest(tensor)])
      expect(ask).toThrow(expect.objectContaining({ name: "FormatError", code: "range", at: "nowhere" }));
    await opened.close();
  });
});

describe("a weights folder that was changed", () => {
  /** Changes weights.json as a text. */
  const edit = async (from: string | RegExp, to: string): Promise<void> => {
    const text = await readFile(indexPath(), "utf8");
    const changed = text.replace(from, to);
    expect(changed).not.toBe(text);
    await writeFile(indexPath(), changed);
  };

  test.each<[string, () => Promise<unknown>, string, string]>([
    ["another tokenizer", () => writeFile(join(folder, "tokenizer.json"), "{}"), "content", "tokenizer.json"],
    ["a tensor of another name", () => edit('"name": "narrow"', '"name": "wide"'), "content", "weights.json"],
    ["a byte less of data", () => truncate(join(folder, "weights.bin"), 300), "content", "weights.bin"],
    ["more JSON than is read", () => truncate(indexPath(), 2 ** 29 + 1), "io", "weights.json"],
    [
      "a text that is no UTF-8",
      async () => {
        const bytes = await readFile(indexPath());
        bytes[bytes.indexOf("matrices")] = 0xff;
        await writeFile(indexPath(), bytes);
      },
      "schema",
      "weights.json",
    ],
    ["null in a list", () => edit('"one"', "null"), "schema", "weights.json.meta.notes[0]"],
    ["true for a text", () => edit('"matrices"', "true"), "schema", "weights.json.meta.name"],
  ])("is refused with %s, at its place", async (_, change, code, at) => {
    await writeWeights(folder, matricesOf());
    await change();
    await expect(openWeights(folder)).rejects.toMatchObject({ name: "FormatError", code, at: join(folder, at) });
  });

  test("is refused with a template that is empty, as an artifact would be", async () => {
    await writeWeights(folder, matricesOf());
    await edit(/"chatTemplate": ".*"/, '"chatTemplate": ""');
    await expect(openWeights(folder)).rejects.toMatchObject({
      code: "schema",
      at: "weights.json.vocabulary.chatTemplate",
    });
  });

  test("is refused with a tensor less in weights.json than its fold has", async () => {
    await writeWeights(folder, matricesOf());
    const index = JSON.parse(await readFile(indexPath(), "utf8"));
    index.tensors.pop();
    await writeFile(indexPath(), JSON.stringify(index));
    await expect(openWeights(folder)).rejects.toMatchObject({ name: "FormatError", code: "content", at: indexPath() });
  });

  test("is refused where a weight is another, by the tensor that it is in, once that is read", async () => {
    await writeWeights(folder, matricesOf());
    const path = join(folder, "weights.bin");
    const bytes = await readFile(path);
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    await writeFile(path, bytes);
    const opened = await openWeights(folder);
    const [first, second] = tensorPlan(opened.fold);
    if (!first || !second) throw new Error("too few tensors");
    expect(await spanFrom(opened, second)).toEqual(spanOf(second));
    await expect(spanFrom(opened, first)).rejects.toMatchObject({
      name: "FormatError",
      code: "content",
      at: first.name,
    });
    await opened.close();
  });

  test("is refused with the reason of the parser behind it, where it is no JSON", async () => {
    await writeFile(indexPath(), "{");
    await expect(openWeights(folder)).rejects.toMatchObject({ code: "schema", cause: expect.any(SyntaxError) });
  });

  test.skipIf(!existsSync("/proc/self/fd"))(
    "is not held open once it was refused, nor once it was closed",
    async () => {
      const held = async (): Promise<number> => (await readdir("/proc/self/fd")).length;
      await writeWeights(folder, matricesOf());
      const before = await held();
      const opened = await openWeights(folder);
      await opened.close();
      await truncate(join(folder, "weights.bin"), 10);
      for (let i = 0; i < 5; i++) await expect(openWeights(folder)).rejects.toMatchObject({ code: "content" });
      expect(await held()).toBe(before);
    },
  );
});

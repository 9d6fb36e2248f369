import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeDigests, fakeGoldens, tinyWeights } from "@s7l/fixtures";
import {
  memorySink,
  type PlannedTensor,
  type SpanPlace,
  spanLayout,
  startSpanSeal,
  tensorPlan,
  type WeightSource,
} from "@s7l/format";
import { writeAtOnce } from "@s7l/format/file";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { GoldenCallback } from "../finish.ts";
import { seal } from "../seal.ts";
import { sealFile } from "./seal-file.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-"));
  path = join(folder, "model.s7l");
});

afterEach(() => rm(folder, { recursive: true }));

const goldens = fakeGoldens(tinyWeights("dense"));

describe("sealFile", () => {
  test("writes what seal writes, read-only", async () => {
    const sink = memorySink();
    const expected = await seal(tinyWeights("dense"), sink, goldens);
    expect(await sealFile(tinyWeights("dense"), path, goldens)).toEqual(expected);
    expect(new Uint8Array(await readFile(path))).toEqual(sink.bytes().slice());
    expect((await stat(path)).mode & 0o777).toBe(0o444);
  });

  test("lets the golden callback read the draft while no file has its name", async () => {
    await sealFile(tinyWeights("dense"), path, {
      ...goldens,
      golden: async (draft, prompts) => {
        expect(await draft.read(0, 4)).toEqual(new TextEncoder().encode("S7LM"));
        expect(await readdir(folder)).not.toContain("model.s7l");
        return fakeDigests(prompts);
      },
    });
  });

  test("leaves an artifact alone that another run has finished meanwhile, until it has the same to write", async () => {
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const weights = tinyWeights("dense");
    const slow: WeightSource = {
      ...weights,
      span: async function* (tensor) {
        await finished;
        yield* weights.span(tensor);
      },
    };
    const golden: GoldenCallback = async (draft, prompts) => {
      expect(await draft.read(0, draft.size)).not.toEqual(sealed);
      expect(new Uint8Array(await readFile(path))).toEqual(sealed);
      return fakeDigests(prompts);
    };
    const second = sealFile(slow, path, { ...goldens, golden }).catch((error: unknown) => error);
    await expect.poll(() => readdir(`${path}.parts`)).not.toEqual([]);
    await sealFile(weights, path, goldens);
    const sealed = new Uint8Array(await readFile(path));
    finish();
    await second;
    expect(new Uint8Array(await readFile(path))).toEqual(sealed);
  });

  test.each<[string, GoldenCallback]>([
    ["the golden callback fails", () => Promise.reject(new Error("no engine"))],
    ["the digests are wrong", async () => []],
  ])("leaves what stood there, and nothing else, when %s", async (_, failing) => {
    await writeFile(path, "before");
    await expect(sealFile(tinyWeights("dense"), path, { ...goldens, golden: failing })).rejects.toThrow();
    expect(await readdir(folder)).toEqual(["model.s7l"]);
    expect(await readFile(path, "utf8")).toBe("before");
    await chmod(path, 0o644);
  });

  /** Weights that write themselves, as threads have them do, but for their first tensor. */
  const selfWriting = (change: (piece: Uint8Array) => Uint8Array = (piece) => piece): WeightSource => {
    const weights = tinyWeights("dense");
    const [given] = tensorPlan(weights.fold);
    const writeSpan = async (tensor: PlannedTensor, place: SpanPlace): Promise<Uint8Array> => {
      const seal = startSpanSeal(tensor, place.chunkSize);
      let at = place.offset;
      for await (const piece of weights.span(tensor)) {
        const changed = change(piece);
        seal.check(changed);
        seal.hash(changed);
        await writeAtOnce(place, at, changed);
        at += changed.length;
      }
      return seal.finish();
    };
    return {
      ...weights,
      writeSpan: (tensor, place) => (tensor.name === given?.name ? undefined : writeSpan(tensor, place)),
    };
  };

  test("seals weights that write themselves to the same bytes", async () => {
    const sink = memorySink();
    await seal(tinyWeights("dense"), sink, goldens);
    await sealFile(selfWriting(), path, { ...goldens, concurrency: 3 });
    expect(new Uint8Array(await readFile(path))).toEqual(sink.bytes().slice());
  });

  test("begins with the largest tensors where several are in flight", async () => {
    const begun: number[] = [];
    const weights = tinyWeights("dense");
    const span = (tensor: PlannedTensor) => {
      begun.push(spanLayout(tensor).size);
      return weights.span(tensor);
    };
    await sealFile({ ...weights, span }, path, { ...goldens, concurrency: 2 });
    expect(begun).toEqual(begun.toSorted((a, b) => b - a));
  });

  test("refuses weights that write what breaks a rule", async () => {
    const broken = selfWriting((piece) => piece.map(() => 0x80));
    await expect(sealFile(broken, path, goldens)).rejects.toMatchObject({ name: "PackError", code: "weights" });
    expect(await readdir(folder)).toEqual([]);
  });

  test("leaves nothing when a weight breaks a rule", async () => {
    const weights = {
      ...tinyWeights("dense"),
      span: async function* () {
        yield new Uint8Array(31);
      },
    };
    await expect(sealFile(weights, path, goldens)).rejects.toMatchObject({ name: "PackError" });
    expect(await readdir(folder)).toEqual([]);
  });
});

import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeGoldens, tinyWeights } from "@s7l/fixtures";
import { memorySink } from "@s7l/format";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { mergeShards, sealFile, sealShard } from "../src/file/index.ts";
import { seal } from "../src/index.ts";
import { dieAfter } from "./dying-disk.ts";

const weights = tinyWeights("speck");
/** A record after each tensor, so that there are as many moments as there can be. */
const options = { ...fakeGoldens(weights), chunkLog2: 16, saveEvery: 0 };
let expected = new Uint8Array();
let folder = "";
let path = "";

beforeAll(async () => {
  const sink = memorySink();
  await seal(weights, sink, options);
  expected = sink.bytes().slice();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-crash-"));
  path = join(folder, "model.s7l");
});
afterEach(() => rm(folder, { recursive: true }));

const sealWhole = () => sealFile(weights, path, options);
const sealParts = async () => {
  for (const number of [1, 2, 3]) await sealShard(weights, path, { ...options, shard: { number, of: 3 } });
};
const merge = () => mergeShards(weights, path, options);
const bytesAt = async (file: string) => Buffer.compare(await readFile(file), expected);

/** Whole, and no more than an empty folder left, which does no harm: a merge has nothing to merge any more. */
async function isDoneButForTheFolder(): Promise<boolean> {
  const names = await readdir(folder, { recursive: true });
  return names.includes("model.s7l") && names.every((name) => ["model.s7l", "model.s7l.parts"].includes(name));
}

describe("a process that dies at any step on the file system", () => {
  test.each<[string, () => Promise<void>, () => Promise<unknown>]>([
    ["sealing", async () => {}, sealWhole],
    ["merging", sealParts, merge],
  ])(
    "while %s leaves nothing half under the name, and the next run ends in the same bytes and nothing else",
    async (_, prepare, work) => {
      for (let steps = 0; ; steps++) {
        await prepare();
        const ended = await dieAfter(steps, work);
        if ((await readdir(folder)).includes("model.s7l")) expect(await bytesAt(path), `${steps} steps`).toBe(0);
        if (await isDoneButForTheFolder()) await rm(`${path}.parts`, { recursive: true, force: true });
        else await work();
        expect(await bytesAt(path), `${steps} steps`).toBe(0);
        expect(await readdir(folder), `${steps} steps`).toEqual(["model.s7l"]);
        await rm(path, { force: true });
        if (!ended) continue;
        expect(steps).toBeGreaterThan(10);
        return;
      }
    },
  );
});

describe("parts that a killed process left", () => {
  /** Puts back what lay in the parts folder when the artifact got its name. */
  async function killedAfterTheName(work: () => Promise<unknown>): Promise<void> {
    const parts = `${path}.parts`;
    for (let steps = 0; !(await readdir(folder)).includes("model.s7l"); steps++) {
      await rm(parts, { recursive: true, force: true });
      await sealParts();
      await dieAfter(steps, work);
    }
    expect((await readdir(parts)).length).toBeGreaterThan(0);
  }

  test("beside the whole artifact are removed by the next run, which makes nothing again", async () => {
    await killedAfterTheName(merge);
    const before = await stat(path, { bigint: true });
    const seals = [];
    const seen: number[] = [];
    seals.push(await mergeShards(weights, path, { ...options, accept: async ({ size }) => void seen.push(size) }));
    expect(await readdir(folder)).toEqual(["model.s7l"]);
    expect((await stat(path, { bigint: true })).ino).toBe(before.ino);
    expect(seen).toEqual([expected.length]);
    expect(seals).toEqual([await sealWhole()]);
  });

  test("beside another artifact under the name do not stand for it", async () => {
    await killedAfterTheName(merge);
    await rm(path, { force: true });
    await writeFile(path, expected.subarray(0, -1));
    await sealWhole();
    expect(await bytesAt(path)).toBe(0);
    expect(await readdir(folder)).toEqual(["model.s7l"]);
  });

  test("are removed with the records that were being written; those of other plans stay", async () => {
    const parts = `${path}.parts`;
    await mkdir(parts);
    await sealShard(weights, path, { ...options, shard: { number: 1, of: 1 } });
    const [record = ""] = (await readdir(parts)).filter((name) => name.endsWith(".record"));
    await copyFile(join(parts, record), join(parts, `.${record}.0123456789ab.part`));
    const others = [`0000000000000000-1-of-1.bin`, `.0000000000000000-1-of-1.record.0123456789ab.part`];
    for (const name of others) await writeFile(join(parts, name), "");
    await sealWhole();
    expect((await readdir(parts)).sort()).toEqual(others.toSorted());
  });

  test("of one part only are removed where a worker gives it up", async () => {
    const failing = {
      ...weights,
      span: () => {
        throw new Error("no weights");
      },
    };
    await sealShard(weights, path, { ...options, shard: { number: 1, of: 16 } });
    const before = await readdir(`${path}.parts`);
    const second = sealShard(failing, path, { ...options, shard: { number: 15, of: 16 } });
    await expect(second).rejects.toThrow("no weights");
    expect(await readdir(`${path}.parts`)).toEqual(before);
  });
});

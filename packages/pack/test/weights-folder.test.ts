import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeGoldens, TINY_KINDS, tinyWeights } from "@s7l/fixtures";
import { memorySink } from "@s7l/format";
import { openWeights, writeWeights } from "@s7l/format/file";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { seal } from "../src/index.ts";

let folder: string;

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), "s7l-")), "weights");
});

afterEach(() => rm(join(folder, ".."), { recursive: true }));

describe("a weights folder", () => {
  test.each(TINY_KINDS)("seals to the same bytes as the %s weights that went into it", async (kind) => {
    const [direct, stored] = [memorySink(), memorySink()];
    const weights = tinyWeights(kind);
    await seal(weights, direct, fakeGoldens(weights));
    await writeWeights(folder, weights, { report: () => ({ tensors: 1 }) });
    expect((await readdir(folder)).sort()).toEqual(["report.json", "vocab.json", "weights.bin", "weights.json"]);
    const opened = await openWeights(folder);
    await seal(opened, stored, fakeGoldens(opened));
    await opened.close();
    expect(stored.bytes()).toEqual(direct.bytes());
  });

  const json = async (change: (index: Record<string, unknown>) => void): Promise<void> => {
    const path = join(folder, "weights.json");
    const index = JSON.parse(await readFile(path, "utf8"));
    change(index);
    await writeFile(path, JSON.stringify(index));
  };

  test.each<[string, () => Promise<void>, string, string]>([
    ["a missing weights.json", () => rm(join(folder, "weights.json")), "io", "there is no such file"],
    ["a missing weights.bin", () => rm(join(folder, "weights.bin")), "io", "there is no such file"],
    ["a missing vocab.json", () => rm(join(folder, "vocab.json")), "io", "there is no such file"],
    ["a vocab.json of another model", () => writeFile(join(folder, "vocab.json"), "{}"), "content", "vocab.json"],
    [
      "a truncated weights.bin",
      () => writeFile(join(folder, "weights.bin"), new Uint8Array(100)),
      "content",
      "100 bytes",
    ],
    ["a weights.json that is not JSON", () => writeFile(join(folder, "weights.json"), "{"), "schema", "not JSON"],
    [
      "a weights.json that is not UTF-8",
      () => writeFile(join(folder, "weights.json"), Uint8Array.of(0xff)),
      "schema",
      "not UTF-8",
    ],
    [
      "null where a value belongs",
      () => json((index) => Object.assign(index, { fold: null })),
      "schema",
      "weights.json.fold",
    ],
    ["another version", () => json((index) => Object.assign(index, { version: 2 })), "schema", "version"],
    ["a real number", () => json((index) => Object.assign(index, { version: 1.5 })), "schema", "version"],
    ["an unknown key", () => json((index) => Object.assign(index, { extra: 1 })), "schema", "extra"],
    [
      "a fold that contradicts itself",
      () =>
        json((index) =>
          Object.assign(index, {
            fold: { ...Object(index.fold), head: { kind: "tied" }, embedding: "rope.frequencies" },
          }),
        ),
      "fold",
      "two purposes",
    ],
    [
      "a tensor record less",
      () => json((index) => Object.assign(index, { tensors: [Object(index.tensors)[0]] })),
      "content",
      "describes 1 tensors",
    ],
  ])("is refused with %s", async (_, damage, code, message) => {
    await writeWeights(folder, tinyWeights("dense"));
    await damage();
    await expect(openWeights(folder)).rejects.toMatchObject({
      name: "FormatError",
      code,
      message: expect.stringContaining(message),
    });
  });

  test("is refused by name when a weight in it changed", async () => {
    await writeWeights(folder, tinyWeights("dense"));
    const path = join(folder, "weights.bin");
    const bytes = new Uint8Array(await readFile(path));
    bytes[0] = bytes[0] === 1 ? 2 : 1;
    await writeFile(path, bytes);
    const opened = await openWeights(folder);
    await expect(seal(opened, memorySink(), fakeGoldens(opened))).rejects.toMatchObject({
      code: "content",
      message: expect.stringContaining("quantize again"),
    });
    await opened.close();
  });

  test("has no file when the weights fail on the way", async () => {
    const weights = tinyWeights("dense");
    const failing = {
      ...weights,
      span: async function* () {
        yield new Uint8Array(32);
        throw new Error("shard lost");
      },
    };
    await expect(writeWeights(folder, failing)).rejects.toThrow("shard lost");
    expect(await readdir(folder)).toEqual([]);
  });

  test("refuses weights whose span has another length than their shape gives", async () => {
    const short = {
      ...tinyWeights("dense"),
      span: async function* () {
        yield new Uint8Array(32);
      },
    };
    await expect(writeWeights(folder, short)).rejects.toMatchObject({ code: "content" });
    expect(await readdir(folder)).toEqual([]);
  });
});

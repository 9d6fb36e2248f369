import { execFileSync } from "node:child_process";
import { copyFile, mkdtemp, open, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeGoldens, tinyWeights } from "@s7l/fixtures";
import { concatBytes, memorySink, sha256, type WeightSource } from "@s7l/format";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { seal } from "../seal.ts";
import { mergeShards } from "./merge-shards.ts";
import { sealShard } from "./seal-file.ts";

let folder = "";
let path = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-shards-"));
  path = join(folder, "model.s7l");
});
afterEach(() => rm(folder, { recursive: true }));

const weights = tinyWeights("routed");
const options = { ...fakeGoldens(weights), chunkLog2: 16 };
/** A record after each tensor: much syncing, but nothing is lost. */
const careful = { ...options, saveEvery: 0 };

async function whole(source: WeightSource = weights): Promise<Uint8Array> {
  const sink = memorySink();
  await seal(source, sink, options);
  return sink.bytes().slice();
}

async function sealShards(of: number, source: WeightSource = weights): Promise<void> {
  for (let number = of; number >= 1; number--) await sealShard(source, path, { ...options, shard: { number, of } });
}

const merge = () => mergeShards(weights, path, options);

/** The files of part `number`. */
async function partFile(number: number, ending: "bin" | "record"): Promise<string> {
  const names = await readdir(`${path}.parts`);
  const name = names.find((name) => name.endsWith(`-${number}-of-3.${ending}`));
  expect(name).toBeDefined();
  return join(`${path}.parts`, name ?? "");
}

/** Flips a bit `offset` bytes from the start, or from the end where it is negative. */
async function flip(file: string, offset: number): Promise<void> {
  const handle = await open(file, "r+");
  const at = offset < 0 ? (await handle.stat()).size + offset : offset;
  const byte = new Uint8Array(1);
  await handle.read(byte, 0, 1, at);
  await handle.write(Uint8Array.of((byte[0] ?? 0) ^ 1), 0, 1, at);
  await handle.close();
}

async function zero(file: string, at: number, length: number): Promise<void> {
  const handle = await open(file, "r+");
  await handle.write(new Uint8Array(length), 0, length, at);
  await handle.close();
}

describe("shards", () => {
  test.skipIf(process.platform === "win32")("do not wait for a pipe that has the name of a record", async () => {
    await sealShards(3);
    const record = await partFile(2, "record");
    await rm(record);
    execFileSync("mkfifo", [record]);
    const again = sealShard(weights, path, { ...options, shard: { number: 2, of: 3 } });
    await expect(again).rejects.toMatchObject({ name: "FormatError", code: "io" });
    await expect(merge()).rejects.toMatchObject({ name: "FormatError", code: "io" });
  });

  test.each([1, 3, 8])("of %i workers merge to the bytes of one seal, and leave nothing else", async (of) => {
    await sealShards(of);
    await merge();
    expect(Buffer.compare(await readFile(path), await whole())).toBe(0);
    expect((await stat(path)).mode & 0o777).toBe(0o444);
    expect(await readdir(folder)).toEqual(["model.s7l"]);
  });

  test("merge to the same bytes when two workers do the same part at once", async () => {
    const shard = { number: 2, of: 3 };
    await Promise.all([
      sealShard(weights, path, { ...options, shard }),
      sealShard(weights, path, { ...options, shard }),
      sealShard(weights, path, { ...options, shard: { number: 1, of: 3 } }),
      sealShard(weights, path, { ...options, shard: { number: 3, of: 3 } }),
    ]);
    await merge();
    expect(Buffer.compare(await readFile(path), await whole())).toBe(0);
  });

  test("are taken up where a worker stopped, and what it left is not made again", async () => {
    let spans = 0;
    const failing: WeightSource = {
      ...weights,
      span: (tensor) => {
        if (++spans > 4) throw new Error("the host went down");
        return weights.span(tensor);
      },
    };
    const shard = { number: 1, of: 1 };
    await expect(sealShard(failing, path, { ...careful, shard })).rejects.toThrow("host went down");
    expect(await sealShard(weights, path, { ...options, shard })).toMatchObject({ resumed: 4 });
    await merge();
    expect(Buffer.compare(await readFile(path), await whole())).toBe(0);
  });

  test("do what is torn again, when their worker is run again", async () => {
    await sealShards(3);
    await flip(await partFile(2, "bin"), 100);
    await truncate(await partFile(3, "bin"), 1);
    const again = await sealShard(weights, path, { ...options, shard: { number: 2, of: 3 } });
    expect(again.resumed).toBe(again.tensors - 1);
    expect(await sealShard(weights, path, { ...options, shard: { number: 3, of: 3 } })).toMatchObject({ resumed: 0 });
    await merge();
    expect(Buffer.compare(await readFile(path), await whole())).toBe(0);
  });

  test.each<[string, (file: string, size: number) => Promise<unknown>]>([
    ["ends in zeros that the disk never got its data for", async (file, size) => zero(file, size - 5000, 5000)],
    ["is all zeros", async (file, size) => zero(file, 0, size)],
    ["has a torn tail", async (file, size) => truncate(file, size - 5000)],
    ["is longer than it was", async (file, size) => zero(file, size, 5000)],
  ])("are made whole again by their worker where after a loss of power one %s", async (_, lose) => {
    await sealShards(3);
    const file = await partFile(3, "bin");
    await lose(file, (await stat(file)).size);
    await sealShard(weights, path, { ...options, shard: { number: 3, of: 3 } });
    await merge();
    expect(Buffer.compare(await readFile(path), await whole())).toBe(0);
  });

  test("can be merged again when a merge was refused", async () => {
    await sealShards(3);
    const refusing = mergeShards(weights, path, { ...options, golden: async () => [] });
    await expect(refusing).rejects.toMatchObject({ code: "golden" });
    expect(await readdir(folder)).toEqual(["model.s7l.parts"]);
    await merge();
    expect(Buffer.compare(await readFile(path), await whole())).toBe(0);
  });

  test.each<[string, () => Promise<unknown>, RegExp]>([
    ["no part at all", () => rm(`${path}.parts`, { recursive: true }), /no finished part/],
    ["a part that is missing", async () => rm(await partFile(2, "record")), /part 2 of 3 is missing .*--shard 2\/3/],
    ["the bytes of a part missing", async () => rm(await partFile(2, "bin")), /part 2 of 3 is truncated/],
    [
      "a truncated part",
      async () => truncate(await partFile(3, "bin"), 1000),
      /part 3 of 3 is truncated.*--shard 3\/3/,
    ],
    ["a flipped bit in the first part", async () => flip(await partFile(1, "bin"), -40), /part 1 of 3 does not hold/],
    ["a flipped bit in another part", async () => flip(await partFile(3, "bin"), -40), /part 3 of 3 does not hold/],
    ["a flipped bit in a record", async () => flip(await partFile(2, "record"), 200), /2-of-3\.record is torn/],
    ["a record cut short", async () => truncate(await partFile(2, "record"), 100), /2-of-3\.record is torn/],
    [
      "a record of another part",
      async () => copyFile(await partFile(1, "record"), await partFile(2, "record")),
      /2-of-3\.record is part 1 of 3, though its name says 2 of 3/,
    ],
    [
      "a stale part of other weights under this name",
      async () => {
        const kept = await readFile(await partFile(2, "record"));
        const name = await partFile(2, "record");
        await rm(`${path}.parts`, { recursive: true });
        await sealShards(3, { ...weights, meta: { name: "another revision" } });
        const stale = await partFile(2, "record");
        expect(await readFile(stale)).not.toEqual(kept);
        await rename(stale, `${stale}.stale`);
        await rm(await partFile(1, "record"));
        await sealShard(weights, path, { ...options, shard: { number: 1, of: 3 } });
        await sealShard(weights, path, { ...options, shard: { number: 3, of: 3 } });
        await rename(`${stale}.stale`, name);
      },
      /2-of-3\.record belongs to another plan/,
    ],
  ])("are refused by name: %s", async (_, damage, message) => {
    await sealShards(3);
    await damage();
    const error = await merge().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: "PackError", code: "part" });
    expect(String(error)).toMatch(message);
    expect(await readdir(folder)).not.toContain("model.s7l");
  });

  test("refuse an unfinished part by its number", async () => {
    await sealShards(3);
    const bytes = await readFile(await partFile(2, "record"));
    const stop = new AbortController();
    await rm(await partFile(2, "record"));
    const half = sealShard(weights, path, {
      ...careful,
      shard: { number: 2, of: 3 },
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await expect(half).rejects.toMatchObject({ name: "AbortError" });
    expect(await readFile(await partFile(2, "record"))).not.toEqual(bytes);
    await expect(merge()).rejects.toThrow(/part 2 of 3 is not finished: .*--shard 2\/3/);
  });

  test("of another plan are counted, and never used", async () => {
    await sealShards(3, { ...weights, meta: { name: "another" } });
    await expect(merge()).rejects.toThrow(/no finished part.*3 of another plan lie there/);
    await sealShards(3);
    await merge();
    expect(Buffer.compare(await readFile(path), await whole())).toBe(0);
    // They may belong to a seal that is still going on.
    expect(await readdir(`${path}.parts`)).toHaveLength(6);
  });

  test("made from another source are of another plan, though names and shapes are the same", async () => {
    const source = sha256(Uint8Array.of(1));
    for (const number of [1, 2, 3]) await sealShard(weights, path, { ...options, source, shard: { number, of: 3 } });
    await expect(merge()).rejects.toThrow(/another plan/);
    await mergeShards(weights, path, { ...options, source });
    expect(Buffer.compare(await readFile(path), await whole())).toBe(0);
  });

  test("take whichever division is whole", async () => {
    await sealShards(3);
    await rm(await partFile(1, "record"));
    await sealShards(2);
    await merge();
    expect(Buffer.compare(await readFile(path), await whole())).toBe(0);
  });

  test("refuse a part whose record was forged to fit its bytes", async () => {
    // A hash is no signature: whoever can write here can write weights. But a record must not break a rule of the format.
    await sealShards(3);
    const file = await partFile(2, "record");
    const body = (await readFile(file)).subarray(32);
    const forged = body.subarray(0, body.length - 40);
    await writeFile(file, concatBytes(sha256(forged), forged));
    await expect(merge()).rejects.toMatchObject({ code: "part" });
  });
});

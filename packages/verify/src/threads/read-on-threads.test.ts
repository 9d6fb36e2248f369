import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ByteSource, blobSource, equalBytes, memorySource } from "@s7l/format";
import { type FileSource, openFileSource } from "@s7l/format/file";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { sealWide } from "../../test/seal-wide.ts";
import type { VerifiedArtifact } from "../artifact.ts";
import { memoryCache } from "../cache/memory-cache.ts";
import { openVerified } from "../verify.ts";
import { type Reading, readOnThreads } from "./read-on-threads.ts";

let folder: string;
let file: Uint8Array;
let whole: VerifiedArtifact;
const opened: FileSource[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-reads-"));
  file = await sealWide();
  whole = await openVerified(memorySource(file));
});
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close();
});
afterAll(() => rm(folder, { recursive: true }));

/** Where a byte of a tensor's span lies in the file. */
function placeOf(name: string, byte: number): number {
  const { offset, length } = whole.record(whole.plan.at(-1)?.name ?? "");
  return file.length - offset - length + whole.record(name).offset + byte;
}

/** The artifact as a file with some bytes changed, and how many chunks the opener's own thread has read into memory. */
async function openFile(...places: readonly number[]) {
  const bytes = file.slice();
  for (const place of places) bytes[place] = (bytes[place] ?? 0) ^ 1;
  const path = join(folder, "model.s7l");
  await writeFile(path, bytes);
  const source = await openFileSource(path);
  opened.push(source);
  let chunks = 0;
  const readInto = (offset: number, target: Uint8Array): Promise<void> => {
    chunks++;
    return source.readInto(offset, target);
  };
  return { source: { ...source, readInto } satisfies ByteSource, chunks: () => chunks };
}

/** Every tensor, and memory for it: shared, with a margin between two. */
function readingsOf(artifact: VerifiedArtifact, memory: "shared" | "own" = "shared"): readonly Reading[] {
  const lengths = artifact.plan.map(({ name }) => artifact.record(name).length);
  const size = lengths.reduce((sum, length) => sum + length + 64, 0);
  const buffer = memory === "shared" ? new SharedArrayBuffer(size) : new ArrayBuffer(size);
  let at = 0;
  return artifact.plan.map(({ name }, i) => {
    const length = lengths[i] ?? 0;
    const target = new Uint8Array(buffer, at, length);
    at += length + 64;
    return { name, target };
  });
}

async function expectSpans(readings: readonly Reading[]): Promise<void> {
  for (const { name, target } of readings) expect(equalBytes(target, await whole.read(name)), name).toBe(true);
}

describe("readOnThreads", () => {
  test.each([2, 3, 7])("gives every span on %i threads, all of it read by them and counted as verified", async (n) => {
    const { source, chunks } = await openFile();
    const artifact = await openVerified(source);
    const readings = readingsOf(artifact);
    await readOnThreads(artifact, readings, { threads: n });
    await expectSpans(readings);
    expect(chunks()).toBe(0);
    expect(artifact.coverage()).toEqual({ chunks: artifact.coverage().total, total: artifact.coverage().total });
  });

  test("gives every span of a Blob", async () => {
    const source = blobSource(new Blob([file.slice()]));
    let reads = 0;
    const read = (offset: number, length: number): Promise<Uint8Array> => {
      reads++;
      return source.read(offset, length);
    };
    const artifact = await openVerified({ ...source, read });
    const readings = readingsOf(artifact);
    reads = 0;
    await readOnThreads(artifact, readings, { threads: 2 });
    await expectSpans(readings);
    expect(reads).toBe(0);
  });

  test("writes to nothing but the spans' own memory", async () => {
    const { source } = await openFile();
    const artifact = await openVerified(source);
    const [first, ...rest] = readingsOf(artifact);
    if (!first) throw new Error("the artifact has tensors");
    await readOnThreads(artifact, [first], { threads: 2 });
    const used = new Uint8Array(first.target.buffer, first.target.length);
    expect(used.some((byte) => byte !== 0)).toBe(false);
    expect(rest.length).toBeGreaterThan(0);
    expect(artifact.coverage().chunks).toBe(Math.ceil(first.target.length / 2 ** artifact.header.chunkLog2));
  });

  test("reads by itself into memory that is not shared, on one thread, and from a source that is not", async () => {
    const { source, chunks } = await openFile();
    for (const [from, memory, threads] of [
      [source, "own", 2],
      [source, "shared", 1],
      [memorySource(file), "shared", 2],
    ] as const) {
      const before = chunks();
      const artifact = await openVerified(from);
      const readings = readingsOf(artifact, memory);
      await readOnThreads(artifact, readings, { threads });
      await expectSpans(readings);
      if (from === source) expect(chunks()).toBeGreaterThan(before);
    }
  });

  test("asks the cache first, where there is one", async () => {
    const { source } = await openFile();
    const cache = memoryCache(1 << 24);
    await readOnThreads(await openVerified(source, { cache }), readingsOf(whole), { threads: 2 });
    const again = await openFile();
    const readings = readingsOf(whole);
    await readOnThreads(await openVerified(again.source, { cache }), readings, { threads: 2 });
    await expectSpans(readings);
    expect(again.chunks()).toBe(0);
  });

  test.each(["first", "last"])(
    "refuses a tensor whose %s byte was changed as readInto does, and zeroes it",
    async (which) => {
      for (const { name, target } of readingsOf(whole).filter((_, i) => i % 6 === 0)) {
        const place = placeOf(name, which === "first" ? 0 : target.length - 1);
        const { source } = await openFile(place);
        const alone = await openVerified(source);
        const verdict = await alone.readInto(name, target).catch((error: unknown) => error);
        expect(verdict).toMatchObject({ name: "VerifyError", rule: "V3", code: "chunk" });
        const artifact = await openVerified(source);
        const readings = readingsOf(artifact);
        await expect(readOnThreads(artifact, readings, { threads: 2 })).rejects.toEqual(verdict);
        const wrong = readings.find((reading) => reading.name === name)?.target;
        expect(wrong?.every((byte) => byte === 0)).toBe(true);
        expect(artifact.coverage().chunks).toBeLessThan(artifact.coverage().total);
      }
    },
  );

  test("names the first of several in the order of the file", async () => {
    const names = whole.plan.map(({ name }) => name);
    const { source } = await openFile(...names.slice(2).map((name) => placeOf(name, 0)));
    const artifact = await openVerified(source);
    await expect(readOnThreads(artifact, readingsOf(artifact), { threads: 3 })).rejects.toMatchObject({
      at: `${names[2]}#0`,
    });
  });

  test("refuses memory of another length, a tensor that there is not, and one twice", async () => {
    const { source } = await openFile();
    const artifact = await openVerified(source);
    const { name = "" } = artifact.plan[0] ?? {};
    const target = new Uint8Array(new SharedArrayBuffer(3));
    const [first] = readingsOf(artifact);
    if (!first) throw new Error("the artifact has tensors");
    for (const readings of [[{ name, target }], [{ name: "no.such", target }], [first, first]])
      await expect(readOnThreads(artifact, readings, { threads: 2 })).rejects.toMatchObject({ code: "range" });
  });

  test("stops when it is aborted", async () => {
    const { source } = await openFile();
    const artifact = await openVerified(source);
    const reading = readOnThreads(artifact, readingsOf(artifact), { threads: 2, signal: AbortSignal.abort("enough") });
    await expect(reading).rejects.toBe("enough");
    expect(artifact.coverage().chunks).toBe(0);
  });
});

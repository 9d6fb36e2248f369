import { openAsBlob } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ATTACKS, attacked } from "@s7l/fixtures";
import { type ByteSource, blobSource, memorySource } from "@s7l/format";
import { openFileSource } from "@s7l/format/file";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { fixtureOf } from "../../test/refusal.ts";
import { sealWide } from "../../test/seal-wide.ts";
import { openVerified, type Verification, verify } from "../verify.ts";
import { startChecking } from "./thread.ts";
import { verifyOnThreads } from "./verify-on-threads.ts";

/** The same threads, counted. */
vi.mock("./thread.ts", async (original) => {
  const { startChecking } = await original<typeof import("./thread.ts")>();
  return { startChecking: vi.fn(startChecking) };
});

let folder: string;
let artifact: Uint8Array;
/** Where tensors lie in the file. */
let dataOffset: number;
let offsets: ReadonlyMap<string, number>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-threads-"));
  artifact = await sealWide();
  const opened = await openVerified(memorySource(artifact));
  const { offset, length } = opened.record(opened.plan.at(-1)?.name ?? "");
  dataOffset = artifact.length - offset - length;
  offsets = new Map(opened.plan.map(({ name }) => [name, opened.record(name).offset]));
});
afterAll(() => rm(folder, { recursive: true }));

/** The file with some bytes changed, and how often its opener's own thread reads into memory, which only tensors are. */
async function openFile(...places: readonly number[]) {
  const bytes = artifact.slice();
  for (const place of places) bytes[place] = (bytes[place] ?? 0) ^ 1;
  const path = join(folder, `${places.length}-${places.at(-1)}.s7l`);
  await writeFile(path, bytes);
  const file = await openFileSource(path);
  let chunks = 0;
  const readInto = (offset: number, target: Uint8Array): Promise<void> => {
    chunks++;
    return file.readInto(offset, target);
  };
  const source: ByteSource = { ...file, readInto };
  return { source, close: file.close, chunks: () => chunks };
}

/** All of a verdict but how far it came, which depends on who was first. */
const told = ({ artifact: _, coverage: __, ...rest }: Verification): object => rest;

describe("verifyOnThreads", () => {
  test.each([2, 5])("gives the verdict of one thread on %i", async (threads) => {
    const { source, close } = await openFile();
    const seen: number[] = [];
    const verdict = await verifyOnThreads(source, { threads, onProgress: (coverage) => seen.push(coverage.chunks) });
    expect(verdict).toMatchObject({ ok: true, integrity: "whole" });
    expect({ ...told(verdict), coverage: verdict.coverage }).toEqual({
      ...told(await verify(memorySource(artifact))),
      coverage: { chunks: seen.at(-1), total: seen.at(-1) },
    });
    await close();
  });

  test.each<[string, () => Promise<{ readonly source: ByteSource; readonly close?: () => Promise<void> }>]>([
    ["file", openFile],
    ["Blob", async () => ({ source: blobSource(new Blob([artifact.slice()])) })],
  ])("leaves every tensor of a %s to threads, this one among them where it need not wait", async (name, open) => {
    const { source, close } = await open();
    vi.mocked(startChecking).mockClear();
    const refused = async (): Promise<never> => {
      throw new Error("this thread is to read no tensor");
    };
    const read = (offset: number, length: number): Promise<Uint8Array> =>
      offset + length > dataOffset ? refused() : source.read(offset, length);
    const verdict = await verifyOnThreads({ ...source, read, readInto: refused }, { threads: 2 });
    expect(verdict).toMatchObject({ ok: true, integrity: "whole" });
    expect(startChecking).toHaveBeenCalledTimes(name === "file" ? 1 : 2);
    await close?.();
  });

  test.each([1, 0, Number.NaN, -1])("with %d threads works alone", async (threads) => {
    const { source, close, chunks } = await openFile();
    expect(await verifyOnThreads(source, { threads })).toMatchObject({ ok: true, integrity: "whole" });
    expect(chunks()).toBeGreaterThan(0);
    await close();
  });

  test("verifies one expert", async () => {
    const { source, close } = await openFile();
    expect(await verifyOnThreads(source, { threads: 2, expert: 1 })).toMatchObject({ ok: true, integrity: "partial" });
    await close();
  });

  test.each<[string, () => readonly number[]]>([
    ["a byte of the header", () => [9]],
    ["a byte of TREE", () => [dataOffset - 40]],
    ["the first byte of a tensor", () => [dataOffset]],
    ["a byte of the last tensor", () => [artifact.length - 40]],
    ["padding at the very end", () => [artifact.length - 1]],
    [
      "two tensors, the larger one later",
      () => [dataOffset + (offsets.get("expert1.norm.weight") ?? 0), artifact.length - 40],
    ],
    ["every tensor", () => [...offsets.values()].map((offset) => dataOffset + offset)],
  ])("says of %s what one thread says", async (_, places) => {
    const { source, close } = await openFile(...places());
    const alone = await verify(source);
    expect(alone).toMatchObject({ ok: false, integrity: "broken" });
    expect(told(await verifyOnThreads(source, { threads: 2 }))).toEqual(told(alone));
    await close();
  });

  test.each(
    ATTACKS.filter(({ name }) => name.startsWith("content: ")).map((attack) => [attack.name.slice(9), attack] as const),
  )("says of %s, sealed anew, what one thread says", async (_, attack) => {
    const path = join(folder, "attacked.s7l");
    await writeFile(path, attacked(await fixtureOf(attack.fixture), attack, "root"));
    const source = await openFileSource(path);
    expect(told(await verifyOnThreads(source, { threads: 2 }))).toEqual(told(await verify(source)));
    await source.close();
  });

  test("takes every tensor of a file by itself where no other thread starts", async () => {
    const { source, close, chunks } = await openFile();
    vi.mocked(startChecking).mockReturnValueOnce(undefined);
    expect(await verifyOnThreads(source, { threads: 2 })).toMatchObject({ ok: true, integrity: "whole" });
    expect(chunks()).toBe(0);
    await close();
  });

  test("does the work itself where a Blob cannot be sent to threads, as one that lies in a file cannot in Node", async () => {
    const path = join(folder, "blob.s7l");
    await writeFile(path, artifact);
    const source = blobSource(await openAsBlob(path));
    expect(await verifyOnThreads(source, { threads: 2 })).toMatchObject({ ok: true, integrity: "whole" });
  });

  test("leaves to the others what a thread that fails had been given", async () => {
    const { source, close, chunks } = await openFile();
    const failing = { tell: () => undefined, check: async () => undefined, end: () => undefined };
    vi.mocked(startChecking).mockReturnValueOnce(failing);
    expect(await verifyOnThreads(source, { threads: 3 })).toMatchObject({ ok: true, integrity: "whole" });
    expect(chunks()).toBe(0);
    await close();
  });

  test("does the work itself where no thread can open the source", async () => {
    const { source, close, chunks } = await openFile();
    const shared = { kind: "file", descriptor: 2 ** 30, size: artifact.length } as const;
    expect(await verifyOnThreads({ ...source, shared }, { threads: 2 })).toMatchObject({
      ok: true,
      integrity: "whole",
    });
    expect(chunks()).toBeGreaterThan(0);
    await close();
  });

  test("does not believe threads about another file: each tensor is held to this file's records", async () => {
    const { source, close } = await openFile();
    const other = await openFile(artifact.length - 40);
    const { shared } = other.source;
    if (!shared) throw new Error("a file is shared");
    // Their no is checked here, against this file's own bytes.
    expect(await verifyOnThreads({ ...source, shared }, { threads: 2 })).toMatchObject({ ok: true });
    await close();
    await other.close();
  });

  test("stops when it is aborted", async () => {
    const { source, close } = await openFile();
    const stop = new AbortController();
    const onProgress = (): void => stop.abort();
    await expect(verifyOnThreads(source, { threads: 2, signal: stop.signal, onProgress })).rejects.toMatchObject({
      name: "AbortError",
    });
    await expect(verifyOnThreads(source, { threads: 2, signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: "AbortError",
    });
    await close();
  });
});

import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashFiles } from "./hash-files.ts";
import { type ListedFile, listCheckpoint } from "./listing.ts";

let folder = "";
let files: readonly ListedFile[] = [];
const digests = new Map<string, string>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-hash-"));
  // Around the size of a block, and nothing.
  for (const [i, size] of [0, 1, 4194303, 4194304, 4194305, 9000000].entries()) {
    const bytes = new Uint8Array(size).fill(i + 1);
    await writeFile(join(folder, `f${i}`), bytes);
    digests.set(`f${i}`, createHash("sha256").update(bytes).digest("hex"));
  }
  ({ files } = await listCheckpoint(folder));
});
afterAll(() => rm(folder, { recursive: true }));

describe("hashFiles", () => {
  test("gives each file's SHA-256 and counts every byte", async () => {
    let done = 0;
    const found = await hashFiles(files, { onProgress: (bytes) => (done = bytes) });
    expect(found).toEqual(digests);
    expect(done).toBe(files.reduce((sum, { size }) => sum + size, 0));
  });

  test.each([2, 3, 64])("gives the same from %i threads, each of which hashes several", async (threads) => {
    let done = 0;
    const found = await hashFiles(files, { threads, onProgress: (bytes) => (done = bytes) });
    expect(found).toEqual(digests);
    expect(done).toBe(files.reduce((sum, { size }) => sum + size, 0));
  });

  test.each([1, 2])("names a file that cannot be read, with %i threads", async (threads) => {
    const gone = { name: "gone", path: join(folder, "gone"), size: 1, stamp: "" };
    await expect(hashFiles([...files, gone], { threads })).rejects.toMatchObject({ code: "io", at: "gone" });
  });

  test.each([1, 2])("stops when it is aborted, with %i threads", async (threads) => {
    const stop = new AbortController();
    const hashing = hashFiles(files, { threads, signal: stop.signal, onDigest: () => stop.abort() });
    await expect(hashing).rejects.toMatchObject({ name: "AbortError" });
  });
});

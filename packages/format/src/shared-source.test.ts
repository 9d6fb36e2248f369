import { mkdtemp, open, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openShared } from "./shared-source.ts";
import { type ByteSource, readInto } from "./source.ts";

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i & 255);
let folder: string;
let path: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-shared-"));
  path = join(folder, "model.s7l");
});
afterAll(() => rm(folder, { recursive: true }));

/** Uses the file as another thread would see it: by its descriptor alone. */
async function withFile(use: (source: ByteSource) => Promise<void>): Promise<void> {
  await writeFile(path, bytes);
  const handle = await open(path);
  try {
    await use(openShared({ kind: "file", descriptor: handle.fd, size: bytes.length }));
  } finally {
    await handle.close();
  }
}

describe("what a thread shares with another", () => {
  test("is the file that was opened, whatever has its name by now", async () => {
    await withFile(async (source) => {
      await writeFile(join(folder, "other"), new Uint8Array(1000));
      await rename(join(folder, "other"), path);
      expect(source.size).toBe(1000);
      expect(await source.read(0, 1000)).toEqual(bytes);
      expect(await source.read(998, 2)).toEqual(bytes.slice(998));
      expect(await source.read(5, 0)).toEqual(new Uint8Array(0));
      const target = new Uint8Array(5).fill(7);
      await readInto(source, 300, target.subarray(1, 4));
      expect(target).toEqual(Uint8Array.of(7, 44, 45, 46, 7));
    });
  });

  test("is a Blob as well", async () => {
    const source = openShared({ kind: "blob", blob: new Blob([bytes]) });
    expect(source.size).toBe(1000);
    expect(await source.read(300, 3)).toEqual(Uint8Array.of(44, 45, 46));
  });

  test.each([
    [-1, 2],
    [999, 2],
    [0, 1001],
    [2 ** 53, 1],
    [0.5, 1],
    [0, 2 ** 50],
  ])("is not read at %d for %d bytes", async (offset, length) => {
    await withFile(async (source) => {
      await expect(source.read(offset, length)).rejects.toMatchObject({ name: "FormatError", code: "range" });
      if (length < 2000)
        await expect(source.readInto?.(offset, new Uint8Array(length))).rejects.toMatchObject({ code: "range" });
    });
  });

  test("that became shorter is said to have", async () => {
    await withFile(async (source) => {
      await truncate(path, 500);
      await expect(source.read(400, 200)).rejects.toMatchObject({
        name: "FormatError",
        code: "io",
        message: expect.stringContaining("became shorter"),
      });
    });
  });
});

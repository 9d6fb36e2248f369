import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FreshCheckpoint } from "./fresh-checkpoint.ts";
import { writeCheckpoint } from "./write-checkpoint.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-write-"));
});
afterEach(() => rm(folder, { recursive: true }));

const checkpoint = (blocks: () => Iterable<Uint8Array>, size = 3): FreshCheckpoint => ({
  files: [{ path: "trunk_final/model.safetensors", size, bytes: blocks }],
  size,
  elements: 0,
  tensors: 0,
  type: "BF16",
});
const small = checkpoint(() => [Uint8Array.of(1, 2), Uint8Array.of(3)]);

describe("writeCheckpoint", () => {
  test("shows the folder when it is whole, and tells how far it is", async () => {
    const steps: number[] = [];
    await writeCheckpoint(small, join(folder, "out"), { onProgress: (done) => steps.push(done) });
    expect(steps).toEqual([2, 3]);
    expect(await readdir(folder)).toEqual(["out"]);
    expect(await readdir(join(folder, "out", "trunk_final"))).toEqual(["model.safetensors"]);
  });

  test("takes an empty folder", async () => {
    await mkdir(join(folder, "out"));
    await writeCheckpoint(small, join(folder, "out"));
    expect(await readdir(join(folder, "out"))).toEqual(["trunk_final"]);
  });

  test("refuses a folder that holds something, and leaves it as it is", async () => {
    await writeFile(join(folder, "mine"), "");
    await expect(writeCheckpoint(small, folder)).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining("is not empty"),
    });
    expect(await readdir(folder)).toEqual(["mine"]);
  });

  test("leaves nothing behind when it is stopped", async () => {
    const controller = new AbortController();
    const stopping = checkpoint(function* () {
      yield Uint8Array.of(1);
      controller.abort(new Error("stopped"));
      yield Uint8Array.of(2);
    });
    await expect(writeCheckpoint(stopping, join(folder, "out"), { signal: controller.signal })).rejects.toThrow(
      "stopped",
    );
    expect(await readdir(folder)).toEqual([]);
  });

  test("says at once that a checkpoint does not fit", async () => {
    const huge = checkpoint(() => [], 2 ** 52);
    await expect(writeCheckpoint(huge, join(folder, "out"))).rejects.toMatchObject({
      code: "io",
      message: expect.stringMatching(/has 4503599627370496 bytes, but .* has room for/),
    });
    expect(await readdir(folder)).toEqual([]);
  });

  test("says where it cannot write", async () => {
    await writeFile(join(folder, "file"), "");
    await expect(writeCheckpoint(small, join(folder, "file", "out"))).rejects.toMatchObject({ code: "io" });
    await expect(writeCheckpoint(small, join(folder, "file"))).rejects.toMatchObject({ code: "io" });
  });
});

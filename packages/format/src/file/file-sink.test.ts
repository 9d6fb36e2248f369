import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createFileSink } from "./file-sink.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-"));
  path = join(folder, "model.s7l");
});

afterEach(() => rm(folder, { recursive: true }));

describe("createFileSink", () => {
  test("shows nothing under the final name before it is committed", async () => {
    const sink = await createFileSink(path);
    await sink.write(2, Uint8Array.of(3));
    await sink.write(0, Uint8Array.of(1, 2));
    expect(await sink.read(0, 3)).toEqual(Uint8Array.of(1, 2, 3));
    expect(await readdir(folder)).toEqual([expect.stringMatching(/^\.model\.s7l\.[0-9a-f]{12}\.part$/)]);
    await sink.commit();
    expect(await readdir(folder)).toEqual(["model.s7l"]);
    expect(new Uint8Array(await readFile(path))).toEqual(Uint8Array.of(1, 2, 3));
    expect((await stat(path)).mode & 0o777).toBe(0o444);
  });

  test("leaves nothing behind when it is aborted, and what stood there before stays", async () => {
    await writeFile(path, "before");
    const sink = await createFileSink(path);
    await sink.write(0, Uint8Array.of(1));
    await sink.abort();
    expect(await readdir(folder)).toEqual(["model.s7l"]);
    expect(await readFile(path, "utf8")).toBe("before");
  });

  test("replaces a sealed file, and an abort after the commit does nothing", async () => {
    for (const byte of [1, 2]) {
      const sink = await createFileSink(path);
      await sink.write(0, Uint8Array.of(byte));
      await sink.commit();
      await sink.abort();
    }
    expect(new Uint8Array(await readFile(path))).toEqual(Uint8Array.of(2));
  });

  test("removes its temporary file when the final name cannot be taken", async () => {
    await mkdir(path);
    const sink = await createFileSink(path);
    await sink.write(0, Uint8Array.of(1));
    await expect(sink.commit()).rejects.toMatchObject({ code: "io", message: expect.stringContaining("folder") });
    await sink.abort();
    expect(await readdir(folder)).toEqual(["model.s7l"]);
  });

  test("keeps to its bounds", async () => {
    const sink = await createFileSink(path);
    await sink.write(0, Uint8Array.of(1, 2));
    await expect(sink.read(1, 2)).rejects.toMatchObject({ code: "range" });
    await expect(sink.write(-1, Uint8Array.of(1))).rejects.toMatchObject({ code: "range" });
    await sink.abort();
  });

  test("says why it cannot write", async () => {
    await expect(createFileSink(join(folder, "none", "model.s7l"))).rejects.toMatchObject({
      name: "FormatError",
      code: "io",
      message: expect.stringContaining("its folder does not exist"),
    });
  });

  test.skipIf(process.getuid?.() === 0)("says that permission was denied", async () => {
    await chmod(folder, 0o555);
    await expect(createFileSink(path)).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining("permission"),
    });
    await chmod(folder, 0o755);
  });
});

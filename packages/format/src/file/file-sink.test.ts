import { execFileSync } from "node:child_process";
import { existsSync, readSync } from "node:fs";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { asAnybody, CAN_BE_ANYBODY } from "../../test/as-anybody.ts";
import { storeSource } from "../source.ts";
import { attemptWrite, createFileSink, writeAtOnce } from "./file-sink.ts";

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

  test("is a source of what was written, which other threads open by its descriptor", async () => {
    const sink = await createFileSink(path);
    await sink.write(0, Uint8Array.of(1, 2, 3, 4));
    const source = storeSource(sink, 3);
    const target = new Uint8Array(2);
    await source.readInto?.(1, target);
    expect([source.size, target, await source.read(0, 1)]).toEqual([3, Uint8Array.of(2, 3), Uint8Array.of(1)]);
    if (source.shared?.kind !== "file") throw new Error("it is not shared");
    expect(source.shared.size).toBe(3);
    readSync(source.shared.descriptor, target, 0, 2, 2);
    expect(target).toEqual(Uint8Array.of(3, 4));
    await expect(source.readInto?.(2, target)).rejects.toMatchObject({ code: "range" });
    await expect(source.read(2, 2)).rejects.toMatchObject({ code: "range" });
    await sink.abort();
  });

  test("counts what another thread has written to its file", async () => {
    const sink = await createFileSink(path);
    await sink.write(0, Uint8Array.of(1, 2));
    await writeAtOnce(sink.direct, 2, Uint8Array.of(3, 4, 5));
    await expect(sink.read(2, 3)).rejects.toMatchObject({ code: "range" });
    sink.direct.written(2, 3);
    expect(sink.size()).toBe(5);
    expect(await sink.read(1, 4)).toEqual(Uint8Array.of(2, 3, 4, 5));
    await sink.abort();
    await expect(writeAtOnce(sink.direct, 0, Uint8Array.of(1))).rejects.toMatchObject({
      name: "FormatError",
      code: "io",
      message: expect.stringMatching(/cannot be written/),
    });
  });

  test("puts bytes on disk as they come, and refuses to commit what the disk once refused", async () => {
    const handle = await open(folder);
    const syncs = vi.spyOn(Object.getPrototypeOf(handle), "datasync");
    await handle.close();
    try {
      const piece = new Uint8Array(1 << 24);
      for (const [fails, name] of [
        [false, "whole"],
        [true, "refused"],
      ] as const) {
        syncs.mockReset().mockImplementation(async () => {
          if (fails) throw Object.assign(new Error("io"), { code: "ENOSPC" });
        });
        const out = join(folder, name);
        const sink = await createFileSink(out);
        for (let i = 0; i < 4; i++) await sink.write(i * piece.length, piece);
        expect(syncs).toHaveBeenCalledTimes(1);
        if (fails) await expect(sink.commit()).rejects.toMatchObject({ code: "io", at: out });
        else await sink.commit();
        await sink.abort();
        expect(existsSync(out)).toBe(!fails);
      }
    } finally {
      syncs.mockRestore();
    }
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
    const sink = await createFileSink(path);
    await mkdir(path);
    await sink.write(0, Uint8Array.of(1));
    await expect(sink.commit()).rejects.toMatchObject({ code: "io", message: expect.stringContaining("folder") });
    await sink.abort();
    expect(await readdir(folder)).toEqual(["model.s7l"]);
  });

  test("makes nothing where a folder has the name", async () => {
    await mkdir(path);
    await expect(createFileSink(path)).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining("is a folder"),
    });
    expect(await readdir(folder)).toEqual(["model.s7l"]);
  });

  test.skipIf(process.platform === "win32")(
    "takes the place of no pipe, socket or device, nor of a link to one",
    async () => {
      const pipe = join(folder, "pipe");
      execFileSync("mkfifo", [pipe]);
      const open = join(folder, "open");
      await symlink("/proc/self/fd/1", open);
      const linked = join(folder, "linked");
      await symlink(pipe, linked);
      const there = await readdir(folder);
      for (const place of [pipe, open, linked])
        await expect(createFileSink(place)).rejects.toMatchObject({
          code: "io",
          at: place,
          message: expect.stringContaining("a pipe"),
        });
      expect(await readdir(folder)).toEqual(there);
      expect((await lstat(pipe)).isFIFO()).toBe(true);
    },
  );

  test("takes the place of a link to a file, and leaves that file alone", async () => {
    await writeFile(join(folder, "other"), "other");
    await symlink(join(folder, "other"), path);
    const sink = await createFileSink(path);
    await sink.write(0, Uint8Array.of(1));
    await sink.commit();
    expect((await lstat(path)).isFile()).toBe(true);
    expect(await readFile(join(folder, "other"), "utf8")).toBe("other");
  });

  test("takes up what an earlier run left under a name of the caller's, and cuts it where it is told", async () => {
    const partial = join(folder, "mine.part");
    const first = await createFileSink(path, { partial });
    await first.write(0, Uint8Array.of(1, 2, 3, 4));
    await first.suspend();
    await first.abort();
    expect(await readdir(folder)).toEqual(["mine.part"]);
    const second = await createFileSink(path, { partial, mode: 0o600 });
    expect(second.size()).toBe(4);
    await second.truncate(9);
    expect(second.size()).toBe(4);
    await second.truncate(2);
    expect(second.size()).toBe(2);
    await expect(second.read(1, 2)).rejects.toMatchObject({ code: "range" });
    await second.write(2, Uint8Array.of(9));
    expect(second.size()).toBe(3);
    await second.commit();
    expect(new Uint8Array(await readFile(path))).toEqual(Uint8Array.of(1, 2, 9));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["model.s7l"]);
  });

  test.runIf(CAN_BE_ANYBODY)(
    "takes up what was made read-only by a run that died, or was refused, before it got its name",
    async () => {
      const partial = join(folder, "mine.part");
      await writeFile(partial, Uint8Array.of(1, 2), { mode: 0o444 });
      await asAnybody([folder, partial], async () => {
        const sink = await createFileSink(path, { partial });
        await sink.write(2, Uint8Array.of(3));
        await sink.suspend();
      });
      expect((await stat(partial)).mode & 0o777).toBe(0o600);
      expect(new Uint8Array(await readFile(partial))).toEqual(Uint8Array.of(1, 2, 3));
    },
  );

  test.skipIf(process.platform === "win32")("takes up no pipe", async () => {
    const partial = join(folder, "mine.part");
    execFileSync("mkfifo", [partial]);
    await expect(createFileSink(path, { partial })).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining("its temporary name is a pipe's"),
    });
  });

  test("is never made longer by cutting", async () => {
    const sink = await createFileSink(path);
    await sink.write(0, Uint8Array.of(1, 2, 3));
    await sink.truncate(9);
    await sink.commit();
    expect(new Uint8Array(await readFile(path))).toEqual(Uint8Array.of(1, 2, 3));
  });

  test("says when its file became shorter under its hands", async () => {
    const partial = join(folder, "mine.part");
    const sink = await createFileSink(path, { partial });
    await sink.write(0, new Uint8Array(100));
    await truncate(partial, 10);
    await expect(sink.read(0, 100)).rejects.toMatchObject({
      name: "FormatError",
      code: "io",
      at: path,
      message: expect.stringContaining("became shorter"),
    });
    await sink.abort();
  });

  test("does not follow a link at its temporary name", async () => {
    await writeFile(join(folder, "victim"), "victim");
    await symlink(join(folder, "victim"), join(folder, "mine.part"));
    await expect(createFileSink(path, { partial: join(folder, "mine.part") })).rejects.toMatchObject({ code: "io" });
    expect(await readFile(join(folder, "victim"), "utf8")).toBe("victim");
  });

  test("is ended once: whatever comes after it does nothing", async () => {
    const committed = await createFileSink(path);
    await committed.commit();
    await committed.commit();
    await committed.suspend();
    await committed.abort();
    expect(await readdir(folder)).toEqual(["model.s7l"]);
    const aborted = await createFileSink(path);
    await aborted.abort();
    await aborted.abort();
    await aborted.suspend();
    await aborted.commit();
    expect(await readdir(folder)).toEqual(["model.s7l"]);
  });

  test.skipIf(!existsSync("/proc/self/fd"))("holds no file open after its end, nor the folder", async () => {
    const held = async (): Promise<number> => (await readdir("/proc/self/fd")).length;
    const before = await held();
    for (const end of ["commit", "suspend", "abort"] as const) await (await createFileSink(path))[end]();
    expect(await held()).toBe(before);
  });

  test("writes what is longer than one call of the system takes", async () => {
    const sink = await createFileSink(path);
    const bytes = Uint8Array.from({ length: 3_000_000 }, (_, i) => i % 251);
    await sink.write(5, bytes);
    expect(Buffer.compare(await sink.read(5, bytes.length), bytes)).toBe(0);
    expect(await sink.read(0, 5)).toEqual(new Uint8Array(5));
    await sink.abort();
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
      at: join(folder, "none", "model.s7l"),
      cause: expect.objectContaining({ code: "ENOENT" }),
      message: expect.stringContaining("its folder does not exist"),
    });
    await expect(createFileSink("")).rejects.toMatchObject({ code: "io", message: expect.stringContaining("no name") });
    await writeFile(path, "");
    await expect(createFileSink(join(path, "model.s7l"))).rejects.toThrow("its folder is not a folder");
  });

  test("passes on the words of a failure that it does not know, whatever was thrown", async () => {
    for (const [thrown, words] of [
      [new Error("odd"), "odd"],
      [{ code: "EPERM" }, "object Object"],
      ["bare", "bare"],
      [Object.assign(new Error("x"), { code: "EDQUOT" }), "quota"],
    ] as const)
      await expect(attemptWrite(path, () => Promise.reject(thrown))).rejects.toMatchObject({
        code: "io",
        cause: thrown,
        message: expect.stringContaining(words),
      });
  });

  test.runIf(CAN_BE_ANYBODY)("says that permission was denied", async () => {
    await chmod(folder, 0o555);
    await asAnybody([folder], () =>
      expect(createFileSink(path)).rejects.toMatchObject({
        code: "io",
        message: expect.stringContaining("permission"),
      }),
    );
    await chmod(folder, 0o755);
  });
});

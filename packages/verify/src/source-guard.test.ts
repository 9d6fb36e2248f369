import { FormatError, memorySource } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { guardSource } from "./source-guard.ts";

const BYTES = Uint8Array.of(1, 2, 3, 4);

describe("guardSource", () => {
  test("gives what the source gives", async () => {
    const guarded = guardSource(memorySource(BYTES));
    expect(guarded.size).toBe(4);
    expect(await guarded.read(1, 2)).toEqual(Uint8Array.of(2, 3));
    expect(guarded).not.toHaveProperty("readInto");
    await guarded.assertUnchanged?.();
  });

  test("gives plain bytes, of which a slice is a copy, whatever kind the source has", async () => {
    class Kept extends Uint8Array {
      override slice(): Uint8Array<ArrayBuffer> {
        return new Uint8Array(4);
      }
    }
    for (const bytes of [Buffer.from(BYTES), Kept.from(BYTES), new Uint8Array(new SharedArrayBuffer(4)).fill(3)]) {
      const read = await guardSource({ size: 4, read: async () => bytes }).read(0, 4);
      expect(read.constructor).toBe(Uint8Array);
      const copy = read.slice();
      bytes.fill(9);
      expect(copy).not.toEqual(Uint8Array.of(9, 9, 9, 9));
    }
  });

  test.each([
    [0, 5],
    [4, 1],
    [-1, 1],
    [0, Number.NaN],
    [Number.MAX_SAFE_INTEGER, 2],
  ])("never asks the source for %d and %d", async (offset, length) => {
    const guarded = guardSource({ size: 4, read: () => Promise.reject(new Error("asked")) });
    await expect(guarded.read(offset, length)).rejects.toMatchObject({ code: "range" });
  });

  test.each([
    ["too few bytes", async () => new Uint8Array(1)],
    ["too many bytes", async () => new Uint8Array(9)],
    ["an error of the network", () => Promise.reject(new TypeError("fetch failed"))],
    ["something that is no error", () => Promise.reject("oops")],
  ])("reports %s as a failure to read", async (_, read) => {
    await expect(guardSource({ size: 4, read }).read(0, 2)).rejects.toMatchObject({ name: "FormatError", code: "io" });
  });

  test("passes on an abort and the source's own typed errors", async () => {
    for (const name of ["AbortError", "TimeoutError"]) {
      const aborted = guardSource({ size: 4, read: () => Promise.reject(new DOMException("stop", name)) });
      await expect(aborted.read(0, 1)).rejects.toMatchObject({ name });
    }
    const typed = new FormatError("io", "gone");
    await expect(guardSource({ size: 4, read: () => Promise.reject(typed) }).read(0, 1)).rejects.toBe(typed);
  });

  test.each([-1, 0.5, Number.NaN, 2 ** 53])("refuses a source of size %d", (size) => {
    expect(() => guardSource({ size, read: async () => BYTES })).toThrow(expect.objectContaining({ code: "io" }));
  });

  test("reads into memory of the caller where the source can, within its bounds", async () => {
    const guarded = guardSource({
      ...memorySource(BYTES),
      readInto: async (offset, target) => target.set(BYTES.subarray(offset, offset + target.length)),
    });
    const target = new Uint8Array(2);
    await guarded.readInto?.(2, target);
    expect(target).toEqual(Uint8Array.of(3, 4));
    await expect(guarded.readInto?.(3, target)).rejects.toMatchObject({ code: "range" });
  });
});

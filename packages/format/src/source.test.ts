import { describe, expect, test } from "vitest";
import { assertRange, blobSource, memorySink, memorySource, readInto } from "./source.ts";

const BYTES = Uint8Array.from({ length: 100 }, (_, i) => i);

describe.each([
  ["memorySource", memorySource(BYTES)],
  ["blobSource", blobSource(new Blob([BYTES]))],
])("%s", (_, source) => {
  test("reads any range within it", async () => {
    expect(source.size).toBe(100);
    expect(await source.read(0, 100)).toEqual(BYTES);
    expect(await source.read(99, 1)).toEqual(Uint8Array.of(99));
    expect(await source.read(100, 0)).toEqual(new Uint8Array());
  });

  test.each([
    [0, 101],
    [100, 1],
    [-1, 1],
    [0, -1],
    [0.5, 1],
    [Number.NaN, 1],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [2 ** 53, 1],
  ])("refuses %d and %d", async (offset, length) => {
    await expect(source.read(offset, length)).rejects.toMatchObject({ name: "FormatError", code: "range" });
  });

  test("fills memory of the caller", async () => {
    const target = new Uint8Array(4);
    await readInto(source, 10, target);
    expect(target).toEqual(Uint8Array.of(10, 11, 12, 13));
  });
});

describe("readInto", () => {
  test("goes straight into memory where the source can", async () => {
    const source = {
      size: 4,
      read: () => Promise.reject(new Error("copied")),
      readInto: async (offset: number, target: Uint8Array) => void target.fill(offset),
    };
    const target = new Uint8Array(2);
    await readInto(source, 2, target);
    expect(target).toEqual(Uint8Array.of(2, 2));
  });

  test("refuses a source that gives another length", async () => {
    const source = { size: 4, read: async () => new Uint8Array(3) };
    await expect(readInto(source, 0, new Uint8Array(4))).rejects.toMatchObject({ code: "io" });
  });
});

describe("blobSource", () => {
  test("refuses a Blob that gives fewer bytes than it has", async () => {
    const torn = { size: 10, slice: () => new Blob([new Uint8Array(2)]) } as unknown as Blob;
    await expect(blobSource(torn).read(0, 10)).rejects.toMatchObject({ code: "io" });
  });

  test("tells a Blob that cannot be read any more", async () => {
    const gone = {
      size: 10,
      slice: () => ({ arrayBuffer: () => Promise.reject(new DOMException("gone", "NotReadableError")) }),
    } as unknown as Blob;
    await expect(blobSource(gone).read(0, 10)).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining("moved or changed"),
      cause: expect.any(DOMException),
    });
  });
});

describe("memorySink", () => {
  test("takes writes in any order and fills gaps with zeros", async () => {
    const sink = memorySink();
    await sink.write(6000, Uint8Array.of(2));
    await sink.write(1, Uint8Array.of(1));
    expect(sink.bytes()).toHaveLength(6001);
    expect(await sink.read(0, 3)).toEqual(Uint8Array.of(0, 1, 0));
    expect(await sink.read(6000, 1)).toEqual(Uint8Array.of(2));
    await expect(sink.read(6000, 2)).rejects.toMatchObject({ code: "range" });
    await expect(sink.write(-1, Uint8Array.of(1))).rejects.toMatchObject({ code: "range" });
  });
});

describe("assertRange", () => {
  test("does not add an offset to a length", () => {
    expect(() => assertRange(10, Number.MAX_SAFE_INTEGER, 10)).toThrow(expect.objectContaining({ code: "range" }));
    expect(() => assertRange(10, 10, 0)).not.toThrow();
  });
});

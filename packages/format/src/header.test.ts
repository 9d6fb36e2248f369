import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "./hash.ts";
import { encodeHeader, type Header, MAGIC, readHeader, rootOfHeader, strayHeaderByte, writeHeader } from "./header.ts";

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });
const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u53 = fc.maxSafeNat();

const header: fc.Arbitrary<Header> = fc.record({
  magic: fc.uint8Array({ minLength: 4, maxLength: 4 }),
  version: u16,
  class: u8,
  flags: u8,
  fileSize: u53,
  headerSize: u16,
  hash: u8,
  chunkLog2: u8,
  alignment: u32,
  sectionCount: u32,
  tensorCount: u32,
  componentCount: u32,
  leafCount: u53,
  tableDigest: digest,
  dataRoot: digest,
  metaHash: digest,
  root: digest,
});

const fields = {
  class: 1,
  flags: 0x81,
  fileSize: 0x0102030405,
  chunkLog2: 20,
  sectionCount: 12,
  tensorCount: 7,
  componentCount: 3,
  leafCount: 9,
  tableDigest: new Uint8Array(32).fill(0xaa),
  dataRoot: new Uint8Array(32).fill(0xbb),
  metaHash: new Uint8Array(32).fill(0xcc),
};

describe("the header", () => {
  test("is read as it was written, whatever it holds", () => {
    fc.assert(
      fc.property(header, (given) => {
        const bytes = encodeHeader(given);
        expect(bytes).toHaveLength(256);
        expect(readHeader(bytes)).toEqual(given);
        expect(encodeHeader(readHeader(bytes))).toEqual(bytes);
        expect(strayHeaderByte(bytes)).toBe(-1);
      }),
    );
  });

  test("lies in the file as docs/format.md says", () => {
    const { bytes, root } = writeHeader(fields);
    expect(toHex(bytes.subarray(0, 48))).toBe(
      ["53374c4d", "0003", "01", "81", "0504030201000000", "0001", "01", "14", "20000000"].join("") +
        ["0c000000", "07000000", "03000000", "00000000", "0900000000000000"].join(""),
    );
    expect(toHex(bytes.subarray(48, 144))).toBe("aa".repeat(32) + "bb".repeat(32) + "cc".repeat(32));
    expect(toHex(bytes.subarray(144, 224))).toBe("00".repeat(80));
    expect(bytes.subarray(224)).toEqual(root);
    expect(bytes.subarray(0, 4)).toEqual(MAGIC);
  });

  test("carries a root that depends on every byte before it, and on none of its own", () => {
    const { bytes, root } = writeHeader(fields);
    for (let at = 0; at < 256; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      if (at < 224) expect(rootOfHeader(changed)).not.toEqual(root);
      else expect(rootOfHeader(changed)).toEqual(root);
    }
  });

  test("shows the reserved byte that is set", () => {
    const reserved = Array.from({ length: 256 }, (_, at) => at).filter((at) => {
      const changed = new Uint8Array(256);
      changed[at] = 1;
      return strayHeaderByte(changed) === at;
    });
    expect(reserved).toEqual([36, 37, 38, 39, ...Array.from({ length: 80 }, (_, i) => 144 + i)]);
  });

  test.each([2n ** 53n, 2n ** 63n, 2n ** 64n - 1n])("refuses a size of %d instead of rounding it", (size) => {
    const { bytes } = writeHeader(fields);
    new DataView(bytes.buffer).setBigUint64(8, size, true);
    expect(() => readHeader(bytes)).toThrow(expect.objectContaining({ code: "header", at: "header.fileSize" }));
  });

  test.each([0, 255, 257])("refuses %d bytes", (length) => {
    expect(() => readHeader(new Uint8Array(length))).toThrow(expect.objectContaining({ code: "header" }));
    expect(() => rootOfHeader(new Uint8Array(length))).toThrow(expect.objectContaining({ code: "header" }));
  });

  test("takes sizes up to 2^53 - 1", () => {
    const { bytes } = writeHeader({ ...fields, fileSize: Number.MAX_SAFE_INTEGER });
    expect(readHeader(bytes).fileSize).toBe(Number.MAX_SAFE_INTEGER);
  });

  test("is read into bytes of its own", () => {
    const { bytes, root } = writeHeader(fields);
    const read = readHeader(bytes);
    bytes.fill(0);
    expect(read).toMatchObject({ tableDigest: fields.tableDigest, root });
  });

  test.each([0, 31, 33])("does not write %d bytes for a digest", (length) => {
    expect(() => writeHeader({ ...fields, dataRoot: new Uint8Array(length) })).toThrow(
      expect.objectContaining({ name: "FormatError", code: "header" }),
    );
  });

  test("names itself as the place where its length is wrong", () => {
    for (const read of [readHeader, rootOfHeader])
      expect(() => read(new Uint8Array(255))).toThrow(expect.objectContaining({ at: "header" }));
  });
});

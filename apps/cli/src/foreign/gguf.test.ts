import { concatBytes, memorySource } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { readGguf } from "./gguf.ts";

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (value: number | bigint): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
const raw = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: string): Uint8Array => concatBytes(u64(raw(value).length), raw(value));

const HUGE = 0xffff_ffff_ffff_ffffn;
const entry = (key: string, type: number, value: Uint8Array): Uint8Array => concatBytes(text(key), u32(type), value);
const NAME = entry("general.name", 8, text("tiny"));
const TOKENS = entry("tokens", 9, concatBytes(u32(8), u64(2), text("a"), text("b")));
const SCORES = entry("scores", 9, concatBytes(u32(6), u64(3), new Uint8Array(12)));

const info = (name: string, dims: readonly (number | bigint)[], type: number, offset: number | bigint): Uint8Array =>
  concatBytes(text(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offset));
const A = info("a", [64, 2], 8, 0);
const B = info("b", [3], 0, 160);

interface Parts {
  readonly version?: number;
  readonly tensors?: number | bigint;
  readonly entries?: number | bigint;
  readonly body?: readonly Uint8Array[];
  /** Bytes of data after the header, which is padded to 32. */
  readonly data?: number;
}

function gguf({
  version = 3,
  tensors = 2,
  entries = 3,
  body = [NAME, TOKENS, SCORES, A, B],
  data = 192,
}: Parts = {}): Uint8Array {
  const header = concatBytes(raw("GGUF"), u32(version), u64(tensors), u64(entries), ...body);
  return concatBytes(header, new Uint8Array(Math.ceil(header.length / 32) * 32 - header.length + data));
}

const read = (bytes: Uint8Array) => readGguf(memorySource(bytes), "m.gguf");

describe("readGguf", () => {
  test("reads metadata and tensors, each with its bytes in the file", async () => {
    const bytes = gguf();
    const { version, metadata, tensors } = await read(bytes);
    expect(version).toBe(3);
    expect([...metadata]).toEqual([
      ["general.name", "tiny"],
      ["tokens", { items: 2 }],
      ["scores", { items: 3 }],
    ]);
    const start = bytes.length - 192;
    expect(tensors).toEqual([
      { name: "a", type: "Q8_0", shape: [2, 64], offset: start, length: 136 },
      { name: "b", type: "F32", shape: [3], offset: start + 160, length: 12 },
    ]);
  });

  test("reads a header longer than one piece", async () => {
    const tokens = Array.from({ length: 20_000 }, (_, i) => text(`token ${i}`));
    const long = entry("tokens", 9, concatBytes(u32(8), u64(tokens.length), ...tokens));
    const { metadata, tensors } = await read(gguf({ entries: 2, body: [long, NAME, A, B] }));
    expect(metadata.get("tokens")).toEqual({ items: 20_000 });
    expect(metadata.get("general.name")).toBe("tiny");
    expect(tensors.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  const one = (tensor: Uint8Array): Parts => ({ tensors: 1, entries: 0, body: [tensor] });
  const meta = (value: Uint8Array): Parts => ({ tensors: 0, entries: 1, body: [value], data: 0 });

  test.each<[string, Parts, RegExp]>([
    ["another version", { version: 1 }, /version 1; 2 and 3/],
    ["a big-endian file", { version: 0x03000000 }, /version 50331648/],
    ["2^32 - 1 tensors", { tensors: 0xffffffff }, /number of tensors is 4294967295/],
    ["2^64 - 1 tensors", { tensors: HUGE }, /more than any file can hold/],
    ["2^40 entries", { entries: 2 ** 40 }, /number of metadata entries is/],
    ["a key past the end", meta(u64(60_000)), /header ends within the key of metadata entry 0/],
    ["a key of 2^63 bytes", meta(u64(2n ** 63n)), /more than any file can hold/],
    ["a key twice", { entries: 2, tensors: 0, body: [NAME, NAME] }, /general\.name stands there twice/],
    ["an unknown metadata type", meta(entry("k", 13, u64(0))), /k has the unknown type 13/],
    ["an array past the end", meta(entry("k", 9, concatBytes(u32(4), u64(1000)))), /header ends within k/],
    ["an array whose size wraps", meta(entry("k", 9, concatBytes(u32(10), u64(2 ** 53 - 1)))), /header ends within k/],
    ["2^53 - 1 texts", meta(entry("k", 9, concatBytes(u32(8), u64(2 ** 53 - 1)))), /holds 9007199254740991 texts/],
    [
      "arrays of arrays without end",
      meta(entry("k", 9, concatBytes(...Array.from({ length: 9 }, () => concatBytes(u32(9), u64(1)))))),
      /more than 4 deep/,
    ],
    ["a text that is not UTF-8", meta(entry("k", 8, concatBytes(u64(1), Uint8Array.of(0xff)))), /not UTF-8/],
    ["a tensor of rank 2^32 - 1", one(concatBytes(text("a"), u32(0xffffffff))), /rank 4294967295/],
    ["dimensions that wrap 2^64", one(info("a", [2 ** 52, 2 ** 52], 0, 0)), /larger than any file/],
    ["an unknown tensor type", one(info("a", [32], 99, 0)), /unknown type 99/],
    ["a row that no block divides", one(info("a", [33], 8, 0)), /rows of 33, no multiple of the 32/],
    ["an offset off its alignment", one(info("a", [1], 0, 4)), /multiple of 32/],
    ["an offset past the end", one(info("a", [1], 0, 2 ** 40)), /reaches beyond the end/],
    ["an offset of 2^64 - 32", one(info("a", [1], 0, HUGE - 31n)), /more than any file can hold/],
    ["a tensor that is cut off", { ...one(info("a", [64], 0, 0)), data: 255 }, /reaches beyond the end/],
    ["tensors that overlap", { body: [NAME, TOKENS, SCORES, A, info("b", [3], 0, 128)] }, /tensor b overlaps another/],
    ["a tensor twice", { body: [NAME, TOKENS, SCORES, A, A] }, /tensor a stands there twice/],
    [
      "an alignment of zero",
      { ...meta(entry("general.alignment", 4, u32(0))) },
      /general\.alignment is no power of two/,
    ],
    [
      "an alignment without bound",
      { ...meta(entry("general.alignment", 4, u32(2 ** 31))) },
      /general\.alignment is no power of two/,
    ],
    [
      "an alignment that is a text",
      { ...meta(entry("general.alignment", 8, text("32"))) },
      /general\.alignment is no power of two/,
    ],
  ])("refuses %s", async (_, parts, message) => {
    await expect(read(gguf(parts))).rejects.toMatchObject({ name: "CliError", code: "foreign" });
    await expect(read(gguf(parts))).rejects.toThrow(message);
  });

  test("ends in a typed error for every truncation of the header, and for any changed byte in no other way", async () => {
    const bytes = gguf();
    const typed = (error: unknown) => expect(error).toMatchObject({ name: "CliError", code: "foreign" });
    for (let length = 4; length < bytes.length - 192; length++) {
      await expect(read(bytes.subarray(0, length))).rejects.toMatchObject({ code: "foreign" });
    }
    for (let at = 4; at < bytes.length - 192; at++) {
      for (const value of [0x00, 0x7f, 0x80, 0xff]) {
        const changed = bytes.slice();
        changed[at] = value;
        await read(changed).catch(typed);
      }
    }
  });
});

import { expenseOf, mangledBytes } from "@s7l/fixtures";
import { type ByteSource, concatBytes, memorySource, sha256 } from "@s7l/format";
import { readSafetensors } from "@s7l/quantize";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readGguf } from "./gguf.ts";
import { readOriginalArtifact } from "./original-artifact.ts";

const raw = (text: string): Uint8Array => new TextEncoder().encode(text);
const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (value: number | bigint): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
const text = (value: string): Uint8Array => concatBytes(u64(value.length), raw(value));

const safetensors = (header: string, data = 8): Uint8Array =>
  concatBytes(u64(raw(header).length), raw(header), new Uint8Array(data));
const gguf = (entries: number, tensors: number, ...body: readonly Uint8Array[]): Uint8Array =>
  concatBytes(raw("GGUF"), u32(3), u64(tensors), u64(entries), ...body, new Uint8Array(512));
const array = (type: number, items: number | bigint, ...body: readonly Uint8Array[]): Uint8Array =>
  gguf(1, 0, text("k"), u32(9), u32(type), u64(items), ...body);
const aligned = (alignment: number): Uint8Array => gguf(1, 0, text("general.alignment"), u32(4), u32(alignment));

/** A file of which only the front is there; whatever is read beyond it is zeros, as in a sparse file. */
function sparse(front: Uint8Array, size: number): ByteSource {
  return {
    size,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      if (offset < front.length) bytes.set(front.subarray(offset, Math.min(front.length, offset + length)));
      return bytes;
    },
  };
}

const READERS = {
  GGUF: { read: (source: ByteSource) => readGguf(source, "m.gguf"), error: { name: "CliError", code: "foreign" } },
  safetensors: {
    read: (source: ByteSource) => readSafetensors(source, "m.safetensors"),
    error: { name: "QuantizeError", code: "safetensors" },
  },
  "the original's artifacts": {
    read: (source: ByteSource) => readOriginalArtifact(source),
    error: { name: "CliError", code: "foreign" },
  },
} as const;
type Kind = keyof typeof READERS;

const VALID: Readonly<Record<Kind, Uint8Array>> = {
  GGUF: gguf(
    2,
    1,
    ...[text("general.name"), u32(8), text("tiny")],
    ...[text("tokens"), u32(9), u32(8), u64(2), text("a"), text("b")],
    ...[text("w"), u32(2), u64(32), u64(2), u32(0), u64(0)],
  ),
  safetensors: safetensors(
    '{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}',
  ),
  "the original's artifacts": (() => {
    const record = concatBytes(Uint8Array.of(0, 1, 0x61, 1, 0, 0, 0, 32), new Uint8Array(36));
    return concatBytes(
      raw("S7LM"),
      Uint8Array.of(0, 2, 2, 5),
      new Uint8Array(32),
      Uint8Array.of(2, 0, 0, 0, record.length),
      record,
      sha256(record),
    );
  })(),
};

const entry = (fields: string): Uint8Array => safetensors(`{"a":{${fields}}}`);
const MIB = 1 << 20;

/** The first of some arrays of empty texts, which goes on as long as the header may. */
const textArrays = gguf(
  4,
  0,
  text("k0"),
  u32(9),
  u32(8),
  u64(2 ** 21),
  new Uint8Array(8 * 2 ** 21),
  text("k1"),
  u32(9),
  u32(8),
  u64(2 ** 21),
);

/** The shapes of published faults: CVE-2024-21802 and its kin (GGUF), the attacks of the safetensors repository. */
const SHAPES: readonly (readonly [name: string, kind: Kind, source: ByteSource | Uint8Array])[] = [
  ["n_kv of 2^64 - 1", "GGUF", concatBytes(raw("GGUF"), u32(3), u64(0), u64(2n ** 64n - 1n))],
  ["n_kv of 2^32", "GGUF", gguf(2 ** 32, 0)],
  ["n_tensors of 2^64 - 1", "GGUF", concatBytes(raw("GGUF"), u32(3), u64(2n ** 64n - 1n), u64(0))],
  ["n_tensors of 2^32 - 1", "GGUF", gguf(0, 2 ** 32 - 1)],
  ["n_tensors at the limit, in a sparse file", "GGUF", sparse(gguf(0, 2 ** 16), 2 ** 40)],
  ["a key of 2^64 - 1 bytes, which plus one is none", "GGUF", gguf(1, 0, u64(2n ** 64n - 1n))],
  ["a text of 2^63 bytes", "GGUF", gguf(1, 0, text("k"), u32(8), u64(2n ** 63n))],
  ["a text of 1 GiB that is there", "GGUF", sparse(gguf(1, 0, text("k"), u32(8), u64(2 ** 30)), 2 ** 40)],
  ["an array whose bytes wrap 2^64", "GGUF", array(10, 2n ** 61n)],
  ["an array of 2^40 texts in a sparse file", "GGUF", sparse(array(8, 2 ** 40), 2 ** 44)],
  ["an array of 2^21 texts in a sparse file, again and again", "GGUF", sparse(textArrays, 2 ** 44)],
  ["an array of 2^40 arrays in a sparse file", "GGUF", sparse(array(9, 2 ** 40), 2 ** 44)],
  [
    "arrays of 4096 arrays of 4096 arrays",
    "GGUF",
    sparse(array(9, 4096, ...Array.from({ length: 3 }, () => concatBytes(u32(9), u64(4096)))), 2 ** 44),
  ],
  ["arrays in arrays, 100,000 deep", "GGUF", array(9, 1, new Uint8Array(100_000).fill(9))],
  [
    "dimensions whose product wraps 2^64",
    "GGUF",
    gguf(0, 1, text("t"), u32(2), u64(2 ** 32), u64(2 ** 32), u32(0), u64(0)),
  ],
  [
    "dimensions whose product wraps to 64",
    "GGUF",
    gguf(0, 1, text("t"), u32(3), u64(2 ** 31), u64(2 ** 31), u64(68), u32(0), u64(0)),
  ],
  ["a rank of 2^32 - 1", "GGUF", gguf(0, 1, text("t"), u32(2 ** 32 - 1))],
  ["an offset beyond the file", "GGUF", gguf(0, 1, text("t"), u32(1), u64(32), u32(0), u64(2 ** 40))],
  ["offset and size that wrap", "GGUF", gguf(0, 1, text("t"), u32(1), u64(64), u32(0), u64(2n ** 64n - 32n))],
  [
    "an offset of 2^53 - 32 that the start takes further",
    "GGUF",
    gguf(0, 1, text("t"), u32(1), u64(64), u32(0), u64(2 ** 53 - 32)),
  ],
  ["an offset off its alignment", "GGUF", gguf(0, 1, text("t"), u32(1), u64(8), u32(0), u64(1))],
  ["an alignment of zero", "GGUF", aligned(0)],
  ["an alignment of 48", "GGUF", aligned(48)],
  ["an alignment of 2^31", "GGUF", aligned(2 ** 31)],
  ["an unknown tensor type", "GGUF", gguf(0, 1, text("t"), u32(1), u64(8), u32(2 ** 31), u64(0))],
  [
    "texts of 17 MiB",
    "GGUF",
    sparse(
      gguf(
        30,
        0,
        ...Array.from({ length: 17 }, (_, i) => concatBytes(text(`k${i}`), u32(8), u64(MIB), new Uint8Array(MIB))),
      ),
      2 ** 30,
    ),
  ],
  ["a header of 2^64 - 1 bytes", "safetensors", concatBytes(u64(2n ** 64n - 1n), raw("{}"))],
  ["a header one byte above the cap", "safetensors", sparse(u64(100_000_001), 2 ** 40)],
  ["a header longer than the file", "safetensors", concatBytes(u64(1000), raw("{}"))],
  ["a header that is not UTF-8", "safetensors", concatBytes(u64(4), Uint8Array.of(0x7b, 0xc0, 0xaf, 0x7d))],
  [
    "a tensor twice",
    "safetensors",
    safetensors(
      '{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}',
    ),
  ],
  [
    "shared bytes",
    "safetensors",
    safetensors(
      '{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}',
    ),
  ],
  [
    "a hole",
    "safetensors",
    safetensors(
      '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}',
    ),
  ],
  ["begin after end", "safetensors", entry('"dtype":"U8","shape":[8],"data_offsets":[8,0]')],
  ["negative offsets", "safetensors", entry('"dtype":"U8","shape":[8],"data_offsets":[-8,0]')],
  [
    "offsets of 2^53 + 1",
    "safetensors",
    entry('"dtype":"U8","shape":[8],"data_offsets":[9007199254740993,9007199254741001]'),
  ],
  ["offsets of 2^64 + 8", "safetensors", entry('"dtype":"U8","shape":[8],"data_offsets":[0,18446744073709551624]')],
  ["an offset of 1e400", "safetensors", entry('"dtype":"U8","shape":[8],"data_offsets":[0,1e400]')],
  [
    "a shape whose product wraps 2^64",
    "safetensors",
    entry('"dtype":"U8","shape":[4294967296,4294967296,8],"data_offsets":[0,8]'),
  ],
  ["a dimension of 2^53 + 1", "safetensors", entry('"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,8]')],
  ["a dimension of 0 with bytes", "safetensors", entry('"dtype":"U8","shape":[0],"data_offsets":[0,8]')],
  [
    "a rank of 10,000",
    "safetensors",
    entry(`"dtype":"U8","shape":[${new Array(10_000).fill(1)}],"data_offsets":[0,8]`),
  ],
  ["lists nested 1,000,000 deep", "safetensors", safetensors(`{"a":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}}`)],
  ["30 MB of opening brackets", "safetensors", safetensors(`{"a":${"[".repeat(30_000_000)}`, 0)],
  [
    "a lane of 4 GiB",
    "the original's artifacts",
    concatBytes(VALID["the original's artifacts"].subarray(0, 40), Uint8Array.of(2, 255, 255, 255, 255)),
  ],
  ["a file of 40 bytes and a half lane", "the original's artifacts", VALID["the original's artifacts"].subarray(0, 43)],
];

const sourceOf = (source: ByteSource | Uint8Array): ByteSource =>
  source instanceof Uint8Array ? memorySource(source) : source;

describe("a file of a known attack", () => {
  test.each(SHAPES)("with %s ends in a typed error of %s", async (_, kind, source) => {
    const { read, error } = READERS[kind];
    await expect(read(sourceOf(source))).rejects.toMatchObject(error);
  });

  test("is refused in less than a second and without 64 MiB, each of them and all in a row", async () => {
    for (const [name, kind, source] of SHAPES) {
      const { milliseconds, bytes } = await expenseOf(() =>
        READERS[kind].read(sourceOf(source)).catch(() => undefined),
      );
      expect({ name, slow: milliseconds > 1000, large: bytes > 64 * MIB }).toEqual({ name, slow: false, large: false });
    }
  });
});

describe.each(Object.keys(READERS) as Kind[])("the reader of %s", (kind) => {
  const { read, error } = READERS[kind];

  test("takes the file that the others are made from", async () => {
    await expect(read(memorySource(VALID[kind]))).resolves.toBeDefined();
  });

  test("ends in a value or a typed error, whatever the bytes", async () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((rest) => concatBytes(VALID[kind].subarray(0, 24), rest)),
      fc.uint8Array({ maxLength: 200 }),
      fc.nat().map((seed) => mangledBytes(VALID[kind], seed)),
    );
    let slowest = 0;
    const { bytes: grown } = await expenseOf(() =>
      fc.assert(
        fc.asyncProperty(bytes, async (file) => {
          const { milliseconds } = await expenseOf(() =>
            read(memorySource(file)).catch((thrown: unknown) => expect(thrown).toMatchObject(error)),
          );
          slowest = Math.max(slowest, milliseconds);
        }),
        { numRuns: 2000, seed: 11 },
      ),
    );
    expect(slowest).toBeLessThan(1000);
    expect(grown).toBeLessThan(128 * MIB);
  });
});

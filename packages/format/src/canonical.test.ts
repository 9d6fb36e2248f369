import { existsSync, readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeCanonical, encodeCanonical } from "./canonical.ts";
import { compareBytewise } from "./canonical-encode.ts";
import type { Value } from "./schema.ts";

const fromHex = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/[0-9a-f]{2}/g) ?? [], (byte) => Number.parseInt(byte, 16));
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const key = fc
  .string({ unit: "binary", maxLength: 40 })
  .filter((k) => !["__proto__", "constructor", "prototype"].includes(k));
const value: fc.Arbitrary<Value> = fc.letrec<{ any: Value }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 6, depthSize: "small" },
    fc.maxSafeInteger(),
    fc.integer({ min: -40, max: 300 }),
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("any"), { maxLength: 20 }),
    fc.dictionary(key, tie("any"), { maxKeys: 20 }),
  ),
})).any;

describe("encodeCanonical", () => {
  test.each<[Value, string]>([
    [0, "00"],
    [127, "7f"],
    [128, "cc80"],
    [255, "ccff"],
    [256, "cd0100"],
    [65_535, "cdffff"],
    [65_536, "ce00010000"],
    [0xffffffff, "ceffffffff"],
    [2 ** 32, "cf0000000100000000"],
    [Number.MAX_SAFE_INTEGER, "cf001fffffffffffff"],
    [-1, "ff"],
    [-32, "e0"],
    [-33, "d0df"],
    [-128, "d080"],
    [-129, "d1ff7f"],
    [-32_768, "d18000"],
    [-32_769, "d2ffff7fff"],
    [-(2 ** 31), "d280000000"],
    [-(2 ** 31) - 1, "d3ffffffff7fffffff"],
    [-Number.MAX_SAFE_INTEGER, "d3ffe0000000000001"],
    ["", "a0"],
    ["a".repeat(31), `bf${"61".repeat(31)}`],
    ["a".repeat(32), `d920${"61".repeat(32)}`],
    ["é".repeat(16), `d920${"c3a9".repeat(16)}`],
    [Uint8Array.of(1, 2), "c4020102"],
    [[], "90"],
    [{}, "80"],
    [{ b: 1, a: 2 }, "82a16102a16201"],
    [{ "10": 1, "9": 2 }, "82a2313001a13902"],
    [{ "\u{1F600}": 1, "\uFF5E": 2 }, "82a3efbd9e02a4f09f988001"],
  ])("writes %j in its one form", (given, hex) => {
    expect(hexOf(encodeCanonical(given))).toBe(hex);
    expect(decodeCanonical(fromHex(hex), "test")).toEqual(given);
  });

  test.each<[string, Value, string]>([
    ["a string of 255", "a".repeat(255), "d9ff"],
    ["a string of 256", "a".repeat(256), "da0100"],
    ["a string of 65535", "a".repeat(65_535), "daffff"],
    ["a string of 65536", "a".repeat(65_536), "db00010000"],
    ["a string of 65536 bytes in fewer letters", "é".repeat(32_768), "db00010000"],
    ["255 bytes", new Uint8Array(255), "c4ff"],
    ["256 bytes", new Uint8Array(256), "c50100"],
    ["65535 bytes", new Uint8Array(65_535), "c5ffff"],
    ["65536 bytes", new Uint8Array(65_536), "c600010000"],
    ["a list of 15", new Array<number>(15).fill(1), "9f01"],
    ["a list of 16", new Array<number>(16).fill(1), "dc0010"],
    ["a list of 65535", new Array<number>(65_535).fill(1), "dcffff"],
    ["a list of 65536", new Array<number>(65_536).fill(1), "dd00010000"],
    ["a map of 15", mapOf(15), "8fa5"],
    ["a map of 16", mapOf(16), "de0010"],
    ["a map of 65535", mapOf(65_535), "deffff"],
    ["a map of 65536", mapOf(65_536), "df00010000"],
  ])("writes %s with its shortest header, which is read again", (_, given, head) => {
    const bytes = encodeCanonical(given);
    expect(hexOf(bytes.subarray(0, head.length / 2))).toBe(head);
    expect(Buffer.compare(encodeCanonical(decodeCanonical(bytes, "test")), bytes)).toBe(0);
  });

  test("orders keys by their bytes, whatever the lengths that stand before them", () => {
    const keys = [65_536, 65_535, 256, 255, 32, 31, 1].map((length, i) => String.fromCharCode(97 + i).repeat(length));
    const bytes = encodeCanonical(Object.fromEntries(keys.toReversed().map((key, i) => [key, i])));
    expect(Object.keys(Object(decodeCanonical(bytes, "test")))).toEqual(keys);
  });

  test("goes as deep as a value may, and says where one goes deeper", () => {
    const nested = (depth: number): Value => JSON.parse(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`);
    expect(decodeCanonical(encodeCanonical(nested(12)), "test")).toEqual(nested(12));
    expect(() => encodeCanonical(nested(13))).toThrow(expect.objectContaining({ code: "canonical", at: "value+37" }));
  });

  test.each<[string, Value, string]>([
    ["-0", -0, "-0"],
    ["nothing", JSON.parse("[null]"), "null"],
    ["a truth", JSON.parse("[true]"), "true"],
    ["half of a pair", "\ud800", "surrogate"],
    ["a key's value that is not there", { there: 1, gone: undefined } as unknown as Value, '"gone"'],
  ])("names %s", (_, given, named) => {
    expect(() => encodeCanonical(given)).toThrow(
      expect.objectContaining({ code: "canonical", message: expect.stringContaining(named) }),
    );
  });

  test.each<[string, Value]>([
    ["a float", 0.5],
    ["NaN", Number.NaN],
    ["infinity", Number.POSITIVE_INFINITY],
    ["-0", -0],
    ["2^53", 2 ** 53],
    ["half of a surrogate pair", "\ud800"],
    ["half of a surrogate pair in a key", { "\udfff": 1 }],
    ["__proto__ as a key", JSON.parse('{"__proto__":1}')],
    ["constructor as a key", { constructor: 1 }],
    ["depth 13", JSON.parse(`${"[".repeat(13)}1${"]".repeat(13)}`)],
    ["null", JSON.parse("[null]")],
    ["a boolean", JSON.parse("[true]")],
    ["a key without a value", JSON.parse('{"a":null}')],
  ])("refuses %s", (_, given) => {
    expect(() => encodeCanonical(given)).toThrow(expect.objectContaining({ name: "FormatError", code: "canonical" }));
  });

  test("does not depend on the order of keys, and decodes to the same value", () => {
    fc.assert(
      fc.property(value, (given) => {
        const bytes = encodeCanonical(given);
        expect(encodeCanonical(reversed(given))).toEqual(bytes);
        expect(encodeCanonical(decodeCanonical(bytes, "test"))).toEqual(bytes);
        expect(decodeCanonical(bytes, "test")).toEqual(given);
      }),
      { numRuns: 500 },
    );
  });
});

/** A map of so many keys. */
function mapOf(size: number): Value {
  return Object.fromEntries(Array.from({ length: size }, (_, i) => [`k${String(i).padStart(4, "0")}`, 1]));
}

/** The same value with its keys inserted in the other order. */
function reversed(given: Value): Value {
  if (typeof given !== "object" || given instanceof Uint8Array) return given;
  if (Array.isArray(given)) return given.map(reversed);
  return Object.fromEntries(
    Object.entries(given)
      .reverse()
      .map(([k, v]) => [k, reversed(v)]),
  );
}

describe("decodeCanonical", () => {
  test.each([
    ["nothing", ""],
    ["a byte after the value", "0000"],
    ["7 in eight bits", "cc07"],
    ["255 in sixteen bits", "cd00ff"],
    ["65535 in 32 bits", "ce0000ffff"],
    ["2^32 - 1 in 64 bits", "cf00000000ffffffff"],
    ["2^53", "cf0020000000000000"],
    ["2^64 - 1", "cfffffffffffffffff"],
    ["5 in the signed family", "d005"],
    ["-32 in eight bits", "d0e0"],
    ["-128 in sixteen bits", "d1ff80"],
    ["-32768 in 32 bits", "d2ffff8000"],
    ["-2^31 in 64 bits", "d3ffffffff80000000"],
    ["2^32 in the signed family", "d30000000100000000"],
    ["-2^53", "d3ffe0000000000000"],
    ["a float of 32 bits", "ca3f800000"],
    ["a float of 64 bits", "cb3ff0000000000000"],
    ["nil", "c0"],
    ["the unused type", "c1"],
    ["false", "c2"],
    ["true", "c3"],
    ["an extension", "d40100"],
    ["a timestamp", "d6ff00000000"],
    ["a record of msgpackr", "d4724091a16101"],
    ["a string of 31 in a long header", `d91f${"61".repeat(31)}`],
    ["a string of 255 in a longer header", `da00ff${"61".repeat(255)}`],
    ["bytes of 255 in a longer header", `c500ff${"61".repeat(255)}`],
    ["a list of 15 in a long header", `dc000f${"01".repeat(15)}`],
    ["a map of one in a long header", "de0001a16101"],
    ["a map of 65535 in a longer header", `df0000ffff${"a16101".repeat(10)}`],
    ["a list of 65535 in a longer header", `dd0000ffff${"01".repeat(10)}`],
    ["a string of 65535 in a longer header", `db0000ffff${"61".repeat(10)}`],
    ["bytes of 65535 in a longer header", `c60000ffff${"61".repeat(10)}`],
    ["a list that promises 2^32 - 1", "ddffffffff"],
    ["a map that promises 2^32 - 1", "dfffffffff"],
    ["bytes that promise 2^32 - 1", "c6ffffffff00"],
    ["a string cut short", "a26161".slice(0, 4)],
    ["a header cut short", "ce0001"],
    ["a key twice", "82a16101a16102"],
    ["keys in another order", "82a16201a16102"],
    ["keys in the order of UTF-16", "82a4f09f988001a3efbd9e02"],
    ["a longer key before its prefix", "82a2616101a16102"],
    ["a key that is a number", "810101"],
    ["a key that is bytes", "81c4016101"],
    ["a key that is an empty list", `8190${"61".repeat(16)}01`],
    ["a key that is a longer list", `81dc0010${"01".repeat(16)}01`],
    ["a key that is an extension of 32 bits", `81c900000001${"61".repeat(0x1001)}`],
    ["a key that is not there", "81"],
    ["a key that is cut short", "81a26101".slice(0, 6)],
    ["the key __proto__", "81a95f5f70726f746f5f5f01"],
    ["the key prototype", "81a970726f746f7479706501"],
    ["overlong UTF-8", "a2c0af"],
    ["a surrogate in UTF-8", "a3eda080"],
    ["a code point above U+10FFFF", "a4f4908080"],
    ["a continuation byte alone", "a180"],
    ["depth 13", `${"91".repeat(13)}01`],
    ["depth 13 of maps", `${"81a161".repeat(13)}01`],
    ["depth 100,000", `${"91".repeat(100_000)}01`],
  ])("refuses %s, and says where", (_, hex) => {
    expect(() => decodeCanonical(fromHex(hex), "META")).toThrow(
      expect.objectContaining({ name: "FormatError", code: "canonical", at: expect.stringMatching(/^META\+\d+$/) }),
    );
  });

  test("ends in a typed error or a canonical value for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        let decoded: Value;
        try {
          decoded = decodeCanonical(bytes, "test");
        } catch (error) {
          expect(error).toMatchObject({ name: "FormatError", code: "canonical" });
          return;
        }
        expect(encodeCanonical(decoded)).toEqual(bytes);
      }),
      { numRuns: 3000 },
    );
  });

  test("ends in a typed error or another value for any one bit changed", () => {
    fc.assert(
      fc.property(value, fc.nat(), (given, bit) => {
        const bytes = encodeCanonical(given);
        const changed = bytes.slice();
        const at = Math.floor(bit / 8) % bytes.length;
        changed[at] = (changed[at] ?? 0) ^ (1 << (bit % 8));
        try {
          expect(encodeCanonical(decodeCanonical(changed, "test"))).toEqual(changed);
        } catch (error) {
          expect(error).toMatchObject({ code: "canonical" });
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("does not share memory with its input", () => {
    const bytes = fromHex("c4020102");
    const decoded = decodeCanonical(bytes, "test");
    bytes.fill(0);
    expect(decoded).toEqual(Uint8Array.of(1, 2));
  });

  const suite = new URL("../../../../shared/suites/msgpack-test-suite/dist/msgpack-test-suite.json", import.meta.url);
  describe.skipIf(!existsSync(suite))("by the vectors of ../shared/suites/msgpack-test-suite", () => {
    interface Vector {
      readonly msgpack: readonly string[];
      readonly [kind: string]: unknown;
    }
    const vectors: readonly Vector[] = existsSync(suite)
      ? Object.values<Vector[]>(JSON.parse(readFileSync(suite, "utf8"))).flat()
      : [];

    test("accepts exactly the encoding that it would write itself, for each value that has one", () => {
      const counts = { accepted: 0, refused: 0 };
      for (const vector of vectors) {
        const own = ownEncoding(vector);
        for (const hex of vector.msgpack) {
          const bytes = fromHex(hex);
          if (own && hexOf(own) === hexOf(bytes)) {
            counts.accepted++;
            expect(encodeCanonical(decodeCanonical(bytes, "test"))).toEqual(bytes);
          } else {
            counts.refused++;
            expect(() => decodeCanonical(bytes, "test"), hex).toThrow(expect.objectContaining({ code: "canonical" }));
          }
        }
      }
      // 85 values; those without an encoding here are nil, booleans, reals, 64-bit bignums, extensions and timestamps.
      expect(vectors).toHaveLength(85);
      expect(counts.accepted).toBeGreaterThan(40);
      expect(counts.refused).toBeGreaterThan(150);
    });

    /** Our encoding of a vector's value, or undefined where the format has none. */
    function ownEncoding(vector: Vector): Uint8Array | undefined {
      const { binary, number, string, array, map } = vector;
      const big = typeof vector.bignum === "string" ? BigInt(vector.bignum) : undefined;
      const small =
        big !== undefined && big <= BigInt(Number.MAX_SAFE_INTEGER) && big >= -BigInt(Number.MAX_SAFE_INTEGER);
      const given =
        typeof binary === "string"
          ? fromHex(binary)
          : (number ?? string ?? array ?? map ?? (small ? Number(big) : undefined));
      if (given === undefined) return undefined;
      try {
        return encodeCanonical(given as Value);
      } catch {
        return undefined;
      }
    }
  });
});

describe("compareBytewise", () => {
  test("orders by code points at the edges of what UTF-16 orders otherwise", () => {
    const points = [0xd7ff, 0xe000, 0xfffd, 0xffff, 0x1_0000, 0x1_03ff, 0x1_0400, 0xf_ffff, 0x10_0000, 0x10_ffff];
    const texts = points.map((point) => String.fromCodePoint(point));
    for (const [i, a] of texts.entries())
      for (const [k, b] of texts.entries()) expect(Math.sign(compareBytewise(a, b))).toBe(Math.sign(i - k));
    expect(compareBytewise("a", "aa")).toBeLessThan(0);
  });

  test("orders as the bytes of UTF-8 do", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
        expect(Math.sign(compareBytewise(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
  });
});

test("a list of more values than a section of its size has is refused before it is decoded", () => {
  const zeros = (count: number): Uint8Array => {
    const bytes = new Uint8Array(5 + count);
    bytes[0] = 0xdd;
    new DataView(bytes.buffer).setUint32(1, count);
    return bytes;
  };
  expect(decodeCanonical(zeros(300_000), "META")).toHaveLength(300_000);
  expect(() => decodeCanonical(zeros(400_000), "META")).toThrow("too many values");
  expect(() => decodeCanonical(zeros(1 << 26), "META")).toThrow("too many values");
});

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { memorySource } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { safetensorsFile } from "../../test/memory-checkpoint.ts";
import { readSafetensors } from "./safetensors.ts";

const read = (bytes: Uint8Array) => readSafetensors(memorySource(bytes), "model.safetensors");
const entry = (begin: number, end: number, shape: readonly unknown[] = [end - begin], dtype: unknown = "U8") => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});
const file = (header: unknown, data = 8) => safetensorsFile(header, new Uint8Array(data));

test("tensors come in the order of their data, with their places in the file", async () => {
  const header = { b: entry(4, 8, [1], "F32"), __metadata__: { format: "pt" }, a: entry(0, 4, [2, 1], "BF16") };
  const bytes = file(header);
  const tensors = await read(bytes);
  const start = bytes.length - 8;
  expect(tensors.map(({ name, dtype, shape, offset, length }) => ({ name, dtype, shape, offset, length }))).toEqual([
    { name: "a", dtype: "BF16", shape: [2, 1], offset: start, length: 4 },
    { name: "b", dtype: "F32", shape: [1], offset: start + 4, length: 4 },
  ]);
});

test("names that objects treat specially are names", async () => {
  const [tensor] = await read(file('{"__proto__":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}'));
  expect(tensor?.name).toBe("__proto__");
});

const huge = new Uint8Array(16);
new DataView(huge.buffer).setBigUint64(0, 0xffffffffffffffffn, true);

test.each<readonly [string, Uint8Array, RegExp]>([
  ["an empty file", new Uint8Array(0), /too few/],
  ["a header beyond the limit", huge, /at most 100000000/],
  ["a header beyond the file", file({ a: entry(0, 8) }).subarray(0, 20), /cut off/],
  ["a header that is not UTF-8", badUtf8(), /not UTF-8/],
  ["a header that is not JSON", file("{"), /not JSON/],
  ["a header that is a list", file([]), /not a map/],
  [
    "a name given twice",
    file(
      '{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"\\u0061":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}',
    ),
    /"a" twice/,
  ],
  ["a key given twice", file('{"a":{"dtype":"U8","dtype":"I8","shape":[8],"data_offsets":[0,8]}}'), /"dtype" twice/],
  ["metadata that is not strings", file({ __metadata__: { a: 1 }, a: entry(0, 8) }), /__metadata__/],
  ["an entry that is not a map", file({ a: [] }), /tensor a is not described/],
  ["an entry with a stray key", file({ a: { ...entry(0, 8), extra: 1 } }), /unknown key "extra"/],
  ["an unknown dtype", file({ a: entry(0, 8, [8], "F7") }), /unknown dtype "F7"/],
  ["a dtype of Object", file({ a: entry(0, 8, [8], "constructor") }), /unknown dtype/],
  ["a negative size", file({ a: entry(0, 8, [-8]) }), /not a list of sizes/],
  ["a fractional size", file({ a: entry(0, 8, [0.5, 16]) }), /not a list of sizes/],
  ["a size in words", file({ a: entry(0, 8, ["8"]) }), /not a list of sizes/],
  ["sizes beyond 53 bits", file({ a: entry(0, 8, [2 ** 40, 2 ** 40]) }), /larger than any file/],
  ["offsets the wrong way", file({ a: entry(8, 0, [8]) }), /not two byte counts/],
  ["three offsets", file({ a: { dtype: "U8", shape: [8], data_offsets: [0, 8, 8] } }), /not two byte counts/],
  ["offsets that disagree with the shape", file({ a: entry(0, 8, [4]) }), /8 bytes, but U8 \[4\] takes 4/],
  ["data beyond the file", file({ a: entry(0, 16) }), /ends at byte 16.*cut off/],
  ["two tensors on the same bytes", file({ a: entry(0, 8), b: entry(4, 8) }), /tensor b overlaps/],
  ["a gap", file({ a: entry(0, 4), b: entry(5, 8) }), /gap of 1 bytes before tensor b/],
  ["bytes after the last tensor", file({ a: entry(0, 4) }), /4 bytes follow/],
])("%s is refused", async (_, bytes, message) => {
  await expect(read(bytes)).rejects.toMatchObject({
    name: "QuantizeError",
    code: "safetensors",
    message: expect.stringMatching(message),
  });
});

function badUtf8(): Uint8Array {
  const bytes = file("{  }", 0);
  bytes[9] = 0xff;
  return bytes;
}

test("every truncation of a file is refused", async () => {
  const whole = file({ a: entry(0, 4), b: entry(4, 8, [1], "F32") });
  for (let size = 0; size < whole.length; size++)
    await expect(read(whole.subarray(0, size))).rejects.toMatchObject({ code: "safetensors" });
});

const suite = fileURLToPath(
  new URL("../../../../../shared/suites/safetensors-headers/unit-tests.json", import.meta.url),
);
interface Case {
  readonly test: string;
  readonly i: number;
  readonly expect: "accept" | "reject";
  readonly hex: string;
}
const cases: readonly Case[] = existsSync(suite) ? JSON.parse(readFileSync(suite, "utf8")).cases : [];

describe.skipIf(cases.length === 0)("the reference reader's own cases", () => {
  test.each(cases)("$test $i: $expect", async ({ expect: verdict, hex }) => {
    const bytes = Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
    if (verdict === "accept") await expect(read(bytes)).resolves.toBeInstanceOf(Array);
    else await expect(read(bytes)).rejects.toMatchObject({ code: "safetensors" });
  });
});

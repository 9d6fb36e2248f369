import { memorySource } from "@s7l/format";
import { expect, test } from "vitest";
import { encodeSafetensors, type TestTensor } from "../../test/memory-checkpoint.ts";
import { QuantizeError } from "../errors.ts";
import { floatOf, readRows } from "./read.ts";
import { readSafetensors, type StoredTensor } from "./safetensors.ts";
import { pick, slice, split, transpose, type View, whole } from "./view.ts";

async function stored(tensor: TestTensor): Promise<StoredTensor> {
  // A byte before it makes its place in the file odd.
  const file = encodeSafetensors({ odd: { shape: [1], dtype: "U8", values: Uint8Array.of(7) }, t: tensor });
  const found = (await readSafetensors(memorySource(file), "f")).find(({ name }) => name === "t");
  if (!found) throw new Error("no tensor");
  return found;
}

async function valuesOf(view: View, tensor: StoredTensor, block?: number): Promise<number[]> {
  const values: number[] = [];
  for await (const rows of readRows(view, tensor, block)) values.push(...rows.values);
  return values;
}

function expected({ offset, axes }: View): readonly number[] {
  return axes.reduce<readonly number[]>(
    (bases, { size, stride }) => bases.flatMap((base) => Array.from({ length: size }, (_, i) => base + i * stride)),
    [offset],
  );
}

const counting = (...shape: readonly number[]): TestTensor => ({
  shape,
  values: Float32Array.from({ length: shape.reduce((n, size) => n * size, 1) }, (_, i) => i),
});

const VIEWS: readonly (readonly [string, readonly number[], View])[] = [
  ["a whole matrix", [70, 9], whole("t", 70, 9)],
  ["a vector", [37], whole("t", 37)],
  ["a scalar", [], whole("t")],
  ["rows of a fused matrix", [90, 5], slice(whole("t", 90, 5), 0, 30, 30)],
  ["every second row", [90, 5], slice(whole("t", 90, 5), 0, 1, 45, 2)],
  ["few columns of many", [64, 100], slice(whole("t", 64, 100), 1, 97, 3)],
  ["a transposition", [70, 130], transpose(whole("t", 70, 130))],
  ["a few rows of a transposition", [70, 130], slice(transpose(whole("t", 70, 130)), 0, 5, 4)],
  [
    "alternating columns, transposed, of one expert",
    [3, 20, 16],
    slice(transpose(pick(whole("t", 3, 20, 16), 2)), 0, 1, 8, 2),
  ],
  ["a part of each group", [24, 7], slice(split(whole("t", 24, 7), 6), 1, 2, 3)],
  ["a part of each group of a vector", [24], slice(split(whole("t", 24), 6), 1, 4, 2)],
];

test.each(VIEWS)("%s reads the same in one block and in many", async (_, shape, view) => {
  const tensor = await stored(counting(...shape));
  expect(await valuesOf(view, tensor)).toEqual(expected(view));
  for (const block of [1, 7, 64, 1000]) expect(await valuesOf(view, tensor, block)).toEqual(expected(view));
});

test("a block holds whole rows and no more elements than asked for, if a row allows", async () => {
  const tensor = await stored(counting(10, 6));
  const sizes: number[] = [];
  for await (const { values } of readRows(whole("t", 10, 6), tensor, 20)) sizes.push(values.length);
  expect(sizes).toEqual([18, 18, 18, 6]);
});

test("the raw bytes are those of the file, in the order of the rows", async () => {
  const tensor = await stored(counting(2, 3));
  const blocks: Uint8Array[] = [];
  for await (const { raw } of readRows(transpose(whole("t", 2, 3)), tensor)) blocks.push(raw.slice());
  expect(blocks).toEqual([new Uint8Array(Float32Array.of(0, 3, 1, 4, 2, 5).buffer)]);
});

test("bfloat16 is the upper half of a float", async () => {
  const bits = Uint16Array.of(0x3f80, 0xbf80, 0x0001, 0x7f80, 0x8000, 0x4049);
  const tensor = await stored({ shape: [6], dtype: "BF16", values: new Uint8Array(bits.buffer) });
  const values = Float32Array.from(await valuesOf(whole("t", 6), tensor));
  expect(new Uint32Array(values.buffer)).toEqual(Uint32Array.from(bits, (b) => b * 65536));
});

test("every finite half is read exactly", async () => {
  const bits = Uint16Array.from({ length: 1 << 16 }, (_, i) => i);
  const tensor = await stored({ shape: [1 << 16], dtype: "F16", values: new Uint8Array(bits.buffer) });
  const values = await valuesOf(whole("t", 1 << 16), tensor);
  for (const i of bits) {
    const [sign, exponent, fraction] = [i >> 15 ? -1 : 1, (i >> 10) & 31, i & 1023];
    const value =
      exponent === 31
        ? fraction
          ? Number.NaN
          : sign * Number.POSITIVE_INFINITY
        : exponent
          ? sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
          : (sign * fraction) / 2 ** 24;
    if (!Object.is(values[i], value)) expect([i, values[i]]).toEqual([i, value]);
  }
});

test.each([
  ["I8", "unsupported", /before it was quantized/],
  ["F8_E4M3", "unsupported", /before it was quantized/],
  ["F64", "tensor", /F32, F16 or BF16 is needed$/],
  ["I32", "tensor", /F32, F16 or BF16 is needed$/],
])("%s is refused by name", async (dtype, code, message) => {
  const size = { I8: 1, F8_E4M3: 1, F64: 8, I32: 4 }[dtype] ?? 1;
  const tensor = await stored({ shape: [1], dtype, values: new Uint8Array(size) });
  const refusal = expect.objectContaining({ code, message: expect.stringMatching(message), at: "t" });
  expect(() => floatOf(tensor)).toThrow(refusal);
  await expect(readRows(whole("t", 1), tensor).next()).rejects.toThrow(refusal);
  await expect(readRows(whole("t", 1), tensor).next()).rejects.toBeInstanceOf(QuantizeError);
});

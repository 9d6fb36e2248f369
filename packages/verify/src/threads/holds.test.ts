import { equalBytes, memorySource } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { sealWide } from "../../test/seal-wide.ts";
import { layoutOf } from "../artifact.ts";
import { openVerified } from "../verify.ts";
import { holds } from "./holds.ts";

const file = await sealWide();
const { place, sealed } = layoutOf(await openVerified(memorySource(file)));

/** Whether each tensor holds, read so many bytes at a time from `bytes`; what is thrown is a no. */
function verdicts(bytes: Uint8Array, piece: number): Promise<readonly boolean[]> {
  const source = memorySource(bytes);
  const fill = (offset: number, target: Uint8Array): void => target.set(bytes.subarray(offset, offset + target.length));
  return Promise.all(
    sealed.map(({ tensor, record }) =>
      holds({ ...place, source }, fill, new Uint8Array(piece), tensor, record).catch(() => false),
    ),
  );
}

describe("holds", () => {
  test.each([96, 1000, 1 << 16, 1 << 19])("takes every tensor in pieces of %i bytes", async (piece) => {
    expect(await verdicts(file, piece)).toEqual(sealed.map(() => true));
  });

  test.each([96, 1000, 1 << 19])("leaves the span in memory that is given, read %i bytes at a time", async (piece) => {
    const source = memorySource(file);
    const fill = (offset: number, target: Uint8Array): void =>
      target.set(file.subarray(offset, offset + target.length));
    for (const { tensor, record } of sealed) {
      const target = new Uint8Array(tensor.length);
      expect(await holds({ ...place, source }, fill, new Uint8Array(piece), tensor, record, { target })).toBe(true);
      const from = place.dataOffset + tensor.offset;
      expect(equalBytes(target, file.subarray(from, from + tensor.length)), tensor.name).toBe(true);
    }
  });

  test.each([
    ["first", () => 0],
    ["middle", (length: number) => length >> 1],
    ["last", (length: number) => length - 1],
  ])("refuses the tensor, and no other, whose %s byte has one bit changed", async (_, placeIn) => {
    for (const [changed, { tensor }] of sealed.entries()) {
      const bytes = file.slice();
      const at = place.dataOffset + tensor.offset + placeIn(tensor.length);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      expect(await verdicts(bytes, 1000)).toEqual(sealed.map((_, i) => i !== changed));
    }
  });

  test("refuses the tensor whose sealed leaf has one bit changed", async () => {
    const bytes = file.slice();
    bytes[place.treeOffset] = (bytes[place.treeOffset] ?? 0) ^ 1;
    expect((await verdicts(bytes, 1000)).filter((it) => !it)).toHaveLength(1);
  });
});

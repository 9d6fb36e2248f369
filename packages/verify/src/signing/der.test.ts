import { describe, expect, test } from "vitest";
import { DER, type DerReader, readDer, writeDer } from "./der.ts";

const refused = expect.objectContaining({ name: "SignatureError", code: "key-form" });
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
const takeBytes = (values: DerReader): Uint8Array => values.take(DER.bytes);

describe("DER", () => {
  test.each([
    [0, [0x04, 0]],
    [1, [0x04, 1]],
    [127, [0x04, 127]],
    [128, [0x04, 0x81, 128]],
    [255, [0x04, 0x81, 255]],
    [256, [0x04, 0x82, 1, 0]],
    [65_535, [0x04, 0x82, 255, 255]],
  ])("writes %i bytes with the shortest length, and reads them again", (size, head) => {
    const content = new Uint8Array(size).map((_, i) => i);
    const der = writeDer(DER.bytes, content.subarray(0, size >> 1), content.subarray(size >> 1));
    expect([...der.subarray(0, head.length)]).toEqual(head);
    expect(der.length).toBe(head.length + size);
    expect(Buffer.compare(readDer(der, takeBytes), content)).toBe(0);
  });

  test("gives bytes of its own", () => {
    const der = bytes(0x04, 1, 7);
    const content = readDer(der, takeBytes);
    der.fill(0);
    expect([...content]).toEqual([7]);
  });

  test("reads values one after another, and those inside of a sequence", () => {
    const der = writeDer(
      DER.sequence,
      writeDer(DER.oid, bytes(1, 2)),
      writeDer(DER.nothing),
      writeDer(DER.sequence, writeDer(DER.integer, bytes(5))),
    );
    const read = readDer(der, (file) =>
      file.inside((values) => {
        expect([values.has(DER.oid), values.has(DER.nothing)]).toEqual([true, false]);
        const id = values.take(DER.oid);
        expect(values.take(DER.nothing)).toHaveLength(0);
        const number = values.inside((inner) => inner.integer());
        expect(values.has(DER.integer)).toBe(false);
        return { id, number };
      }),
    );
    expect(read).toEqual({ id: bytes(1, 2), number: 5 });
  });

  test.each<[string, readonly number[]]>([
    ["nothing", []],
    ["a tag alone", [0x04]],
    ["another tag", [0x05, 1, 7]],
    ["fewer bytes than promised", [0x04, 2, 7]],
    ["a byte more", [0x04, 1, 7, 0]],
    ["a short length in a longer form", [0x04, 0x81, 1, 7]],
    ["127 in a longer form", [0x04, 0x81, 127, ...new Array<number>(127).fill(0)]],
    ["255 in the longest form", [0x04, 0x82, 0, 255, ...new Array<number>(255).fill(0)]],
    ["a length of no bytes", [0x04, 0x80, 0, 0]],
    ["a length of three bytes", [0x04, 0x83, 0, 0, 1, 7]],
    ["a length that is cut off", [0x04, 0x82, 1]],
    ["a length that is missing", [0x04, 0x81]],
  ])("refuses %s", (_, der) => {
    expect(() => readDer(Uint8Array.from(der), takeBytes)).toThrow(refused);
  });

  test("refuses what is left over, outside and inside of a sequence", () => {
    expect(() => readDer(bytes(0x04, 0), () => undefined)).toThrow(refused);
    const inner = writeDer(DER.sequence, writeDer(DER.nothing), writeDer(DER.nothing));
    expect(() => readDer(inner, (file) => file.inside((values) => values.take(DER.nothing)))).toThrow(refused);
    expect(() => readDer(bytes(0x04, 0), (file) => file.inside(() => undefined))).toThrow(refused);
  });

  test.each<[readonly number[], number]>([
    [[0], 0],
    [[1], 1],
    [[0x7f], 127],
    [[0, 0x80], 128],
    [[0, 0xff], 255],
    [[1, 0], 256],
    [[0x7f, 0xff, 0xff, 0xff], 2 ** 31 - 1],
  ])("reads the integer %j", (content, number) => {
    const der = writeDer(DER.integer, Uint8Array.from(content));
    expect(readDer(der, (values) => values.integer())).toBe(number);
  });

  test.each<[string, readonly number[]]>([
    ["of no bytes", []],
    ["below zero", [0x80]],
    ["with a zero too many", [0, 0x7f]],
    ["with two zeros too many", [0, 0, 0x80]],
    ["of 2^31", [0, 0x80, 0, 0, 0]],
    ["beyond any number", [1, 0, 0, 0, 0]],
  ])("refuses an integer %s", (_, content) => {
    const der = writeDer(DER.integer, Uint8Array.from(content));
    expect(() => readDer(der, (values) => values.integer())).toThrow(refused);
  });
});

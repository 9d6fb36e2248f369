import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HEADER_SIZE } from "./header.ts";
import { alignUp, placeSections, placeTensors } from "./layout.ts";
import { SECTION_NAMES, SECTIONS, sectionName } from "./sections.ts";
import { spanLayout } from "./span.ts";

describe("placeTensors", () => {
  const plan = [
    { name: "a", dtype: "i8", shape: [3, 5], component: "trunk" },
    { name: "b", dtype: "f32", shape: [9], component: "expert10" },
    { name: "c", dtype: "i8", shape: [600, 300], component: "expert2" },
  ] as const;

  test("puts spans one after another and gives each its own chunks", () => {
    const { tensors, size, leaves } = placeTensors(plan, 16);
    expect(tensors.map(({ offset, length, firstLeaf, leaves }) => [offset, length, firstLeaf, leaves])).toEqual([
      [0, 64, 0, 1],
      [64, 64, 1, 1],
      [128, 180_000 + 2400, 2, 3],
    ]);
    expect(size).toBe(128 + 182_400);
    expect(leaves).toBe(5);
  });

  test("orders components by bytes, expert10 before expert2", () => {
    const { components, tensors } = placeTensors(plan, 20);
    expect(components).toEqual(["expert10", "expert2", "trunk"]);
    expect(tensors.map(({ componentIndex }) => componentIndex)).toEqual([2, 0, 1]);
  });

  test("leaves no gap and no overlap for any shapes", () => {
    const shape = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 2 });
    fc.assert(
      fc.property(fc.array(shape, { minLength: 1, maxLength: 30 }), (shapes) => {
        const tensors = shapes.map(
          (dims, i) => ({ name: `t${i}`, dtype: "i8", shape: dims, component: "trunk" }) as const,
        );
        const { tensors: placed, size } = placeTensors(tensors, 16);
        let end = 0;
        for (const { offset, length, dtype, shape: dims } of placed) {
          expect(offset).toBe(end);
          expect(length % 32).toBe(0);
          expect(length).toBe(spanLayout({ dtype, shape: dims }).size);
          end += length;
        }
        expect(size).toBe(end);
      }),
    );
  });

  test("refuses a model whose bytes pass 2^53", () => {
    const huge = Array.from(
      { length: 2000 },
      (_, i) => ({ name: `t${i}`, dtype: "u64", shape: [2 ** 40], component: "trunk" }) as const,
    );
    expect(() => placeTensors(huge, 20)).toThrow(expect.objectContaining({ code: "layout" }));
  });
});

describe("placeSections", () => {
  test("aligns each section to 32 and ends the file there", () => {
    const { sections, fileSize } = placeSections(
      new Map([
        ["DATA", 64],
        ["VOCAB", 33],
        ["META", 1],
      ] as const),
    );
    expect(sections).toEqual([
      { name: "VOCAB", offset: HEADER_SIZE + 192, size: 33 },
      { name: "META", offset: 512, size: 1 },
      { name: "DATA", offset: 544, size: 64 },
    ]);
    expect(fileSize).toBe(608);
  });
});

describe("alignUp", () => {
  test.each([
    [0, 0],
    [1, 32],
    [32, 32],
    [33, 64],
    [2 ** 32 + 1, 2 ** 32 + 32],
  ])("rounds %d to %d", (size, up) => {
    expect(alignUp(size)).toBe(up);
  });

  test("refuses to pass 2^53 - 1", () => {
    expect(() => alignUp(Number.MAX_SAFE_INTEGER)).toThrow(expect.objectContaining({ code: "layout" }));
  });
});

describe("the sections", () => {
  test("have the ids and lanes that are sealed for ever", () => {
    expect(Object.fromEntries(SECTION_NAMES.map((name) => [name, [SECTIONS[name].type, SECTIONS[name].lane]]))).toEqual(
      {
        VOCAB: [1, 1],
        META: [2, 1],
        POLICY: [3, 3],
        STX: [4, 4],
        ROUTE: [5, 4],
        COMP: [6, 4],
        FOLD: [7, 5],
        ABI: [8, 5],
        GOLDEN: [9, 5],
        PROV: [10, 2],
        TINDEX: [11, 2],
        TREE: [12, 2],
        DATA: [13, 2],
      },
    );
  });

  test("ascend by type, DATA last, and are found by type", () => {
    expect(SECTION_NAMES.map((name) => SECTIONS[name].type)).toEqual(SECTION_NAMES.map((_, i) => i + 1));
    expect(SECTION_NAMES.at(-1)).toBe("DATA");
    expect(sectionName(7)).toBe("FOLD");
    expect(sectionName(0)).toBeUndefined();
    expect(sectionName(14)).toBeUndefined();
  });
});

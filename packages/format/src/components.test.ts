import { describe, expect, test } from "vitest";
import { encodeCanonical } from "./canonical.ts";
import { componentLeaf, componentsOf, dataRoot, tensorLeaf } from "./components.ts";
import { leafHash, merkleRoot } from "./merkle.ts";
import type { TensorRecord } from "./tensor-index.ts";

const record = (name: string, component: number): TensorRecord => ({
  name,
  dtype: "i8",
  shape: [1, 1],
  offset: 0,
  length: 64,
  component,
  root: new Uint8Array(32).fill(name.charCodeAt(0)),
});

const records = [record("a", 1), record("b", 0), record("c", 1)];

describe("componentsOf", () => {
  test("gathers each component's tensors in the order of their names", () => {
    const [first, second] = componentsOf(["expert0", "trunk"], records);
    expect(first).toEqual({
      name: "expert0",
      tensors: 1,
      size: 64,
      root: merkleRoot(records.slice(1, 2).map(tensorLeaf)),
    });
    expect(second).toMatchObject({ name: "trunk", tensors: 2, size: 128 });
    expect(second?.root).toEqual(merkleRoot([records[0], records[2]].flatMap((r) => (r ? [tensorLeaf(r)] : []))));
  });

  test("gives roots that no relabelling keeps", () => {
    const root = dataRoot(componentsOf(["expert0", "trunk"], records));
    expect(dataRoot(componentsOf(["expert1", "trunk"], records))).not.toEqual(root);
    expect(dataRoot(componentsOf(["expert0", "trunk"], [record("d", 1), ...records.slice(1)]))).not.toEqual(root);
  });

  test("refuses a tensor in a component that there is not", () => {
    expect(() => componentsOf(["expert0"], [record("a", 1)])).toThrow(
      expect.objectContaining({ name: "FormatError", code: "layout" }),
    );
  });

  test("refuses a component without tensors", () => {
    expect(() => componentsOf(["expert0", "none", "trunk"], records)).toThrow("no leaves");
  });
});

describe("records", () => {
  test("cannot be offered as chunks, nor a tensor's as a component's", () => {
    const [tensor] = records;
    if (!tensor) throw new Error("no record");
    expect(tensorLeaf(tensor)).not.toEqual(leafHash(encodeCanonical(tensor)));
    const [component] = componentsOf(["expert0", "trunk"], records);
    if (!component) throw new Error("no component");
    expect(componentLeaf(component)).not.toEqual(leafHash(encodeCanonical(component)));
  });
});

import { existsSync, readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError } from "./errors.ts";
import { sha256, toHex } from "./hash.ts";
import {
  DOMAIN,
  inclusionProof,
  joinLeaves,
  leafHash,
  leafHashAsync,
  merkleRoot,
  rootFromProof,
  splitLeaves,
  startLeafHash,
} from "./merkle.ts";

const fromHex = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));

/** The definition of RFC 6962 §2.1, by recursion: the oracle for the one without. */
function definedRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (leaves.length === 1 && only) return only;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return sha256(DOMAIN.node, definedRoot(leaves.slice(0, k)), definedRoot(leaves.slice(k)));
}

// Leaves and roots of Google's certificate-transparency (merkle_tree_test.cc, Apache-2.0).
const DATA = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"].map(
  fromHex,
);
const ROOTS = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

describe("merkleRoot", () => {
  test.each(ROOTS.map((root, i) => ({ size: i + 1, root })))(
    "gives the RFC 6962 root of $size leaves",
    ({ size, root }) => {
      expect(toHex(merkleRoot(DATA.slice(0, size).map(leafHash)))).toBe(root);
    },
  );

  const suite = new URL("../../../../shared/suites/rfc6962/tree-hash.json", import.meta.url);
  describe.skipIf(!existsSync(suite))("by the vectors of ../shared/suites/rfc6962", () => {
    test("gives every root", () => {
      const { leaves_hex, roots_by_size } = JSON.parse(readFileSync(suite, "utf8"));
      const leaves = leaves_hex.map((hex: string) => leafHash(fromHex(hex)));
      expect(roots_by_size.map((_: string, i: number) => toHex(merkleRoot(leaves.slice(0, i + 1))))).toEqual(
        roots_by_size,
      );
    });
  });

  test("is the recursive definition for every size up to 200", () => {
    const leaves = Array.from({ length: 200 }, (_, i) => leafHash(Uint8Array.of(i)));
    for (let n = 1; n <= leaves.length; n++)
      expect(merkleRoot(leaves.slice(0, n))).toEqual(definedRoot(leaves.slice(0, n)));
  });

  test("refuses an empty tree", () => {
    expect(() => merkleRoot([])).toThrow("no leaves");
  });

  test("differs when the last leaf is repeated (CVE-2012-2459)", () => {
    const leaves = DATA.slice(0, 3).map(leafHash);
    const [, , last] = leaves;
    expect(merkleRoot(last ? [...leaves, last] : [])).not.toEqual(merkleRoot(leaves));
  });

  test("does not take two leaves for one chunk of 64 bytes", () => {
    const [left, right] = DATA.map(leafHash);
    if (!left || !right) throw new Error("no leaves");
    expect(leafHash(joinLeaves([left, right]))).not.toEqual(merkleRoot([left, right]));
  });
});

describe("an audit path", () => {
  test("leads every leaf of every size up to 40 to the root, and no other leaf", () => {
    const leaves = Array.from({ length: 40 }, (_, i) => leafHash(Uint8Array.of(i)));
    for (let n = 1; n <= leaves.length; n++) {
      const root = merkleRoot(leaves.slice(0, n));
      for (let i = 0; i < n; i++) {
        const path = inclusionProof(leaves.slice(0, n), i);
        expect(rootFromProof(leaves[i] ?? root, i, n, path)).toEqual(root);
        if (n > 1) expect(rootFromProof(leaves[(i + 1) % n] ?? root, i, n, path)).not.toEqual(root);
      }
    }
  });

  test("is refused when it is a hash short, a hash long, or holds a short hash", () => {
    const leaves = DATA.slice(0, 5).map(leafHash);
    const path = inclusionProof(leaves, 2);
    const [leaf = new Uint8Array()] = leaves.slice(2);
    expect(() => rootFromProof(leaf, 2, 5, path.slice(1))).toThrow("audit path");
    expect(() => rootFromProof(leaf, 2, 5, [...path, leaf])).toThrow("audit path");
    expect(() => rootFromProof(leaf, 2, 5, [leaf.subarray(1), ...path.slice(1)])).toThrow("31 bytes");
  });

  test.each([
    [-1, 5],
    [5, 5],
    [0.5, 5],
    [0, 0],
    [0, 2 ** 53],
    [Number.NaN, 5],
  ])("is refused for leaf %d of %d", (index, count) => {
    expect(() => rootFromProof(new Uint8Array(32), index, count, [])).toThrow();
  });

  test.each([-1, 5, 6, 0.5, Number.NaN, 2 ** 53])("cannot be made for leaf %d of 5", (index) => {
    const leaves = Array.from({ length: 5 }, (_, i) => leafHash(Uint8Array.of(i)));
    expect(() => inclusionProof(leaves, index)).toThrow(
      expect.objectContaining({ name: "FormatError", code: "range" }),
    );
  });

  test("names what is wrong with it by a code", () => {
    const leaf = leafHash(Uint8Array.of(1));
    const codeOf = (index: number, count: number, path: readonly Uint8Array[]): unknown => {
      try {
        return rootFromProof(leaf, index, count, path);
      } catch (error) {
        return error instanceof FormatError ? error.code : error;
      }
    };
    for (const [index, count] of [
      [-1, 2],
      [2, 2],
      [0, 1.5],
      [0.5, 2],
      [Number.NaN, 2],
      [0, Number.POSITIVE_INFINITY],
    ] as const)
      expect(codeOf(index, count, [leaf])).toBe("range");
    expect(codeOf(0, 2, [])).toBe("layout");
    expect(codeOf(0, 2, [leaf, leaf])).toBe("layout");
    expect(codeOf(0, 2, [leaf.subarray(1)])).toBe("layout");
    expect(() => merkleRoot([])).toThrow(expect.objectContaining({ code: "layout" }));
    expect(() => splitLeaves(new Uint8Array(31))).toThrow(expect.objectContaining({ code: "layout" }));
  });

  test("never passes for changed bits", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.nat(), fc.nat(), fc.nat(7), (n, index, where, bit) => {
        const leaves = Array.from({ length: n }, (_, i) => leafHash(Uint8Array.of(i)));
        const i = index % n;
        const path = inclusionProof(leaves, i).map((hash) => hash.slice());
        const hash = path[where % path.length];
        if (hash) hash[where % 32] = (hash[where % 32] ?? 0) ^ (1 << bit);
        expect(rootFromProof(leaves[i] ?? new Uint8Array(), i, n, path)).not.toEqual(merkleRoot(leaves));
      }),
    );
  });
});

describe("leaves", () => {
  test("are split from the bytes they were joined to", () => {
    const leaves = DATA.map(leafHash);
    expect(splitLeaves(joinLeaves(leaves))).toEqual(leaves);
    expect(joinLeaves(Array<Uint8Array>(200_000).fill(new Uint8Array(1)))).toHaveLength(200_000);
    expect(() => splitLeaves(new Uint8Array(33))).toThrow("whole number of leaves");
  });

  test("are the same when hashed asynchronously", async () => {
    const chunk = new Uint8Array(70_000).fill(1);
    expect(await leafHashAsync(chunk)).toEqual(leafHash(chunk));
  });

  test("are the same of a chunk that comes in pieces", () => {
    const chunk = Uint8Array.from({ length: 1000 }, (_, i) => i);
    const running = startLeafHash();
    for (let at = 0; at < chunk.length; at += 300) running.update(chunk.subarray(at, at + 300));
    expect(running.digest()).toEqual(leafHash(chunk));
  });
});

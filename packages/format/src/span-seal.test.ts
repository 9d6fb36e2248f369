import { describe, expect, test } from "vitest";
import type { PlannedTensor } from "./fold/tensor-plan.ts";
import { concatBytes, sha256 } from "./hash.ts";
import { leafHash } from "./merkle.ts";
import { spanLayout } from "./span.ts";
import { startSpanSeal } from "./span-seal.ts";

const tensor: PlannedTensor = { name: "w", dtype: "f32", shape: [100], component: "trunk" };
const span = new Uint8Array(spanLayout(tensor).size).map((_, i) => (i < 400 ? i % 97 : 0));

function sealed(pieces: readonly number[], chunkSize?: number): Uint8Array {
  const seal = startSpanSeal(tensor, chunkSize);
  let at = 0;
  for (const length of [...pieces, span.length]) {
    const piece = span.subarray(at, at + length);
    seal.check(piece);
    seal.hash(piece);
    at += piece.length;
  }
  return seal.finish();
}

describe("startSpanSeal", () => {
  test.each([[[]], [[1]], [[64, 64]], [[63, 2, 130]], [[416]], [[0, 5]]])(
    "hashes chunks to leaves, come what pieces: %j",
    (pieces) => {
      const leaves = Array.from({ length: Math.ceil(span.length / 64) }, (_, i) =>
        leafHash(span.subarray(64 * i, 64 * i + 64)),
      );
      expect(sealed(pieces, 64)).toEqual(concatBytes(...leaves));
      expect(sealed(pieces, 1 << 20)).toEqual(leafHash(span));
      expect(sealed(pieces)).toEqual(sha256(span));
    },
  );

  test("has as many leaves as there are chunks, beyond the arguments that a call takes", () => {
    const seal = startSpanSeal({ ...tensor, shape: [1_600_000] }, 32);
    const zeros = new Uint8Array(6_400_000);
    seal.check(zeros);
    seal.hash(zeros);
    expect(seal.finish().length).toBe(zeros.length);
  });

  test("refuses content that breaks a rule, before it is hashed", () => {
    const bad = span.slice();
    bad.set([0, 0, 0xc0, 0x7f], 8);
    expect(() => startSpanSeal(tensor, 64).check(bad)).toThrow("w [2]: not a finite number");
    expect(() => startSpanSeal(tensor, 64).check(new Uint8Array(span.length + 1))).toThrow("longer");
  });

  test("refuses a span that is not whole", () => {
    const seal = startSpanSeal(tensor);
    seal.check(span.subarray(1));
    seal.hash(span.subarray(1));
    expect(() => seal.finish()).toThrow(`the span ends after ${span.length - 1} of ${span.length} bytes`);
  });
});

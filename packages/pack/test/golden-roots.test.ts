import { fakeGoldens, TINY_KINDS, type TinyKind, tinyWeights } from "@s7l/fixtures";
import { memorySink, toHex } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { seal } from "../src/index.ts";

/**
 * Law 1: one model, one file, on every machine and every version of Node. These roots change only when the format does, and
 * then every artifact there is becomes another one: say so in a changeset.
 */
const ROOTS: Readonly<Record<TinyKind, string>> = {
  speck: "eade17213950b324cbd2c5faacfa612b7d13bd515d3ff3346b987db4d141e146",
  dense: "380f26310d2aafde46df9b7dd8d27bff49ab86a838c5559d1643cebb175687ad",
  experts: "40e1a55080c05a97837ca17053dc1ece2f455bb511396eac0b1660e08bf2c8db",
  routed: "0ddae9d0c804fcbc56479ce74100eedf17711f53251197bf038c0344c1cf1355",
  latent: "1fe198a31b18c3797ac0eda94481cbe32aefb9a55a9025ee61913a692562a23a",
};

describe("the root", () => {
  test.each(TINY_KINDS)("of the tiny %s model is the sealed one", async (kind) => {
    const weights = tinyWeights(kind);
    const { root } = await seal(weights, memorySink(), fakeGoldens(weights));
    expect(toHex(root)).toBe(ROOTS[kind]);
  });
});

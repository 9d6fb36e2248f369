import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { createLogitsDigest, littleEndian } from "./logits-digest.ts";

/** By the words of the definition, byte by byte. */
function digestOf(positions: readonly { readonly exponent: number; readonly mantissas: readonly number[] }[]): string {
  let chain = Buffer.alloc(32);
  for (const { exponent, mantissas } of positions) {
    const row = Buffer.alloc(4 * (1 + mantissas.length));
    for (const [i, value] of [exponent, ...mantissas].entries()) row.writeInt32LE(value, 4 * i);
    chain = createHash("sha256").update(chain).update(row).digest();
  }
  return chain.toString("hex");
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const first = { exponent: -22, mantissas: [1, -2, 2 ** 31 - 1] };
const second = { exponent: 3, mantissas: [-(2 ** 31), 0, 258] };
const both = {
  vocab: 3,
  mantissas: Int32Array.from([...first.mantissas, ...second.mantissas]),
  exponents: Int32Array.of(-22, 3),
};

test("chains SHA-256 over exponent and mantissas of each position", () => {
  const digest = createLogitsDigest();
  expect(hex(digest.digest())).toBe("00".repeat(32));
  expect(hex(digest.update(both))).toBe(digestOf([first, second]));
  expect(hex(digest.digest())).toBe(digestOf([first, second]));
});

test("does not depend on how positions are cut into calls", () => {
  const digest = createLogitsDigest();
  digest.update({ vocab: 3, mantissas: both.mantissas.slice(0, 3), exponents: Int32Array.of(-22) });
  const last = digest.update({ vocab: 3, mantissas: both.mantissas.subarray(3), exponents: Int32Array.of(3) });
  expect(hex(last)).toBe(digestOf([first, second]));
});

test.each([
  { change: "a mantissa", positions: [{ ...first, mantissas: [1, -2, 2 ** 31 - 2] }, second] },
  { change: "an exponent", positions: [{ ...first, exponent: -21 }, second] },
  { change: "the order", positions: [second, first] },
])("changes with $change", ({ positions }) => {
  expect(digestOf(positions)).not.toBe(hex(createLogitsDigest().update(both)));
});

test("gives copies, so that a caller cannot reach the chain", () => {
  const digest = createLogitsDigest();
  digest.update(both).fill(0);
  expect(hex(digest.digest())).toBe(digestOf([first, second]));
});

test("swaps bytes on a big-endian host", () => {
  const values = Int32Array.of(0x01020304, -2);
  expect(hex(littleEndian(values, true))).toBe("04030201feffffff");
  expect(hex(littleEndian(values, false))).toBe("01020304fffffffe");
});

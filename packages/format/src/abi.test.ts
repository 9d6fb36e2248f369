import { describe, expect, test } from "vitest";
import { ABI, knowsAbi } from "./abi.ts";
import { encodeCanonical } from "./canonical.ts";
import { toHex } from "./hash.ts";

describe("the ABI", () => {
  test("is known to itself, and other numerics are not", () => {
    expect(knowsAbi(ABI)).toBe(true);
    expect(knowsAbi({ ...ABI, version: ABI.version + 1 })).toBe(false);
    expect(knowsAbi({ ...ABI, name: "float32" })).toBe(false);
  });

  test("has one encoding, which every sealed artifact carries", () => {
    expect(toHex(encodeCanonical(ABI))).toBe("82a46e616d65a773376c2d696e74a776657273696f6e01");
  });
});

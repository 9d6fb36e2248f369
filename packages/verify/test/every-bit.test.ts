import { memorySource } from "@s7l/format";
import { beforeAll, describe, expect, test } from "vitest";
import { verify } from "../src/index.ts";
import { sealTiny } from "./seal-tiny.ts";

let artifact: Uint8Array;

beforeAll(async () => {
  artifact = await sealTiny("speck");
});

/** The rule that refuses a file, or what else became of it. */
async function outcome(bytes: Uint8Array): Promise<string> {
  const { ok, rules } = await verify(memorySource(bytes));
  if (ok) return "accepted";
  const broken = rules.filter((rule) => !rule.ok && rule.code !== "not-reached");
  const [rule] = broken;
  if (broken.length !== 1 || !rule || rule.ok || rule.code === "internal") return "untyped";
  return rule.id;
}

describe("a small artifact", () => {
  test("is refused by a rule when any one of its bits is flipped", { timeout: 240_000 }, async () => {
    const outcomes = new Map<string, number>();
    const bytes = artifact.slice();
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const at = Math.floor(bit / 8);
      const mask = 1 << (bit % 8);
      bytes[at] = (bytes[at] ?? 0) ^ mask;
      const seen = await outcome(bytes);
      outcomes.set(seen, (outcomes.get(seen) ?? 0) + 1);
      bytes[at] = (bytes[at] ?? 0) ^ mask;
    }
    expect(bytes).toEqual(artifact);
    // Rules are reached: flips end in V0 (padding), V1 (header), V3 (data) and V6 (digests).
    expect([...outcomes.keys()].sort()).toEqual(["V0", "V1", "V3", "V6"]);
    expect([...outcomes.values()].reduce((sum, n) => sum + n, 0)).toBe(8 * artifact.length);
  });

  test("is refused when it is cut to any length", async () => {
    for (let length = 0; length < artifact.length; length++) {
      expect(await outcome(artifact.subarray(0, length)), `${length} bytes`).toBe("V0");
    }
  });

  test("is refused when any number of bytes up to 64 is appended", async () => {
    for (let extra = 1; extra <= 64; extra++) {
      const longer = new Uint8Array(artifact.length + extra);
      longer.set(artifact);
      expect(await outcome(longer), `${extra} bytes`).toBe("V0");
    }
  });
});

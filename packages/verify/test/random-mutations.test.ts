import { type Attack, attacked, LEVELS, type Level } from "@s7l/fixtures";
import { memorySource } from "@s7l/format";
import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { verify } from "../src/index.ts";
import { sealTiny } from "./seal-tiny.ts";

let artifact: Uint8Array;

beforeAll(async () => {
  artifact = await sealTiny("speck");
});

/** Sections are spliced, duplicated, swapped, resized or overwritten at random, and hashes rebuilt to any level. */
interface Mutation {
  readonly level: Level;
  readonly kind: "overwrite" | "insert" | "remove" | "swap" | "duplicate" | "drop";
  readonly section: number;
  readonly other: number;
  readonly at: number;
  readonly bytes: Uint8Array;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  level: fc.constantFrom(...LEVELS),
  kind: fc.constantFrom("overwrite", "insert", "remove", "swap", "duplicate", "drop"),
  section: fc.nat(11),
  other: fc.nat(11),
  at: fc.nat(4096),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
});

const asAttack = ({ kind, section, other, at, bytes }: Mutation): Attack => ({
  name: kind,
  expect: "pin",
  mutate: ({ sections }) => {
    const target = sections[section % sections.length];
    const second = sections[other % sections.length];
    if (!target || !second) return;
    const place = at % target.bytes.length;
    if (kind === "overwrite") target.bytes.set(bytes.subarray(0, target.bytes.length - place), place);
    else if (kind === "insert")
      target.bytes = Uint8Array.of(...target.bytes.slice(0, place), ...bytes, ...target.bytes.slice(place));
    else if (kind === "remove")
      target.bytes = Uint8Array.of(...target.bytes.slice(0, place), ...target.bytes.slice(place + bytes.length));
    else if (kind === "swap") [target.bytes, second.bytes] = [second.bytes, target.bytes];
    else if (kind === "duplicate") sections.splice(section, 0, { ...target });
    else sections.splice(sections.indexOf(target), 1);
  },
});

describe("an artifact changed at random", () => {
  test("is never accepted under the original's root, and always refused by a rule", async () => {
    const root = artifact.slice(224, 256);
    await fc.assert(
      fc.asyncProperty(mutation, async (chosen) => {
        const file = attacked(artifact, asAttack(chosen), chosen.level);
        if (file.length === artifact.length && file.every((byte, i) => byte === artifact[i])) return;
        const pinned = await verify(memorySource(file), { expectedRoot: root });
        expect(pinned.ok).toBe(false);
        const { rules } = await verify(memorySource(file));
        expect(rules.filter((rule) => !rule.ok && rule.code === "internal")).toEqual([]);
      }),
      { numRuns: 600 },
    );
  });
});

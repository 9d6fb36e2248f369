import { ATTACKS, attacked, BYTE_ATTACKS, LEVELS, TINY_KINDS } from "@s7l/fixtures";
import { equalBytes, memorySource, readHeader } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { verify } from "../src/index.ts";
import { brokenRule, fixtureOf } from "./refusal.ts";
import { replay } from "./seal-tiny.ts";

const rootOf = (artifact: Uint8Array): Uint8Array => readHeader(artifact.subarray(0, 256)).root;

describe("the fixture", () => {
  test.each(TINY_KINDS)("%s is accepted as it is, and by its root", async (kind) => {
    const artifact = await fixtureOf(kind);
    const result = await verify(memorySource(artifact), { replay, expectedRoot: rootOf(artifact) });
    expect(result.rules.filter(({ ok }) => !ok)).toEqual([]);
    expect(result).toMatchObject({ ok: true, integrity: "whole", authenticity: "pinned" });
  });

  test.each(TINY_KINDS)("%s is rebuilt to the same bytes when nothing is changed", async (kind) => {
    const artifact = await fixtureOf(kind);
    for (const level of LEVELS) {
      const same = attacked(artifact, { name: "nothing", expect: "pin", mutate: () => undefined }, level);
      expect(equalBytes(same, artifact)).toBe(true);
    }
  });
});

describe.each(ATTACKS)("$name", (attack) => {
  test("is refused by its rule when every hash is rebuilt", async () => {
    const artifact = await fixtureOf(attack.fixture);
    const file = attacked(artifact, attack, "root");
    expect(equalBytes(file, artifact)).toBe(false);
    if (attack.expect === "pin") {
      expect(await verify(memorySource(file))).toMatchObject({ ok: true, authenticity: "unproven" });
    } else {
      expect(brokenRule(await verify(memorySource(file), { replay }))).toMatchObject({
        id: attack.expect,
        ...(attack.code ? { code: attack.code } : {}),
      });
    }
  });

  test("is refused by a pinned root when every hash is rebuilt", async () => {
    const artifact = await fixtureOf(attack.fixture);
    const file = attacked(artifact, attack, "root");
    brokenRule(await verify(memorySource(file), { expectedRoot: rootOf(artifact) }));
  });
});

describe("a file changed as bare bytes", () => {
  test.each(BYTE_ATTACKS)("is refused: $name", async ({ mutate }) => {
    const artifact = await fixtureOf();
    const file = mutate(artifact);
    expect(equalBytes(file, artifact)).toBe(false);
    brokenRule(await verify(memorySource(file)));
  });
});

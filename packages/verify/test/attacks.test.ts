import { ATTACKS, attacked, BYTE_ATTACKS, LEVELS } from "@s7l/fixtures";
import { type Header, memorySource, readHeader } from "@s7l/format";
import { beforeAll, describe, expect, test } from "vitest";
import { type RuleVerdict, type Verification, verify } from "../src/index.ts";
import { replay, sealTiny } from "./seal-tiny.ts";

let artifact: Uint8Array;
let header: Header;

beforeAll(async () => {
  artifact = await sealTiny("experts");
  header = readHeader(artifact.subarray(0, 256));
});

type Refusal = Extract<RuleVerdict, { ok: false }>;

/** The one broken rule of a refusal: the verdict names it, says why, and hands out no artifact. */
function brokenRule(result: Verification): Refusal {
  expect(result).toMatchObject({ ok: false, integrity: "broken", authenticity: "unproven" });
  expect(result).not.toHaveProperty("artifact");
  const broken = result.rules.filter((rule): rule is Refusal => !rule.ok && rule.code !== "not-reached");
  expect(broken).toHaveLength(1);
  const [rule] = broken;
  if (!rule) throw new Error("no rule is broken");
  expect(rule.code).not.toBe("internal");
  expect(rule.message).not.toBe("");
  return rule;
}

describe("the fixture", () => {
  test("is accepted as it is, and by its root", async () => {
    const result = await verify(memorySource(artifact), { replay, expectedRoot: header.root });
    expect(result.rules.filter(({ ok }) => !ok)).toEqual([]);
    expect(result).toMatchObject({ ok: true, integrity: "whole", authenticity: "pinned" });
  });

  test("is rebuilt to the same bytes when nothing is changed", () => {
    for (const level of LEVELS) {
      expect(attacked(artifact, { name: "nothing", expect: "pin", mutate: () => undefined }, level)).toEqual(artifact);
    }
  });
});

describe.each(ATTACKS)("$name", (attack) => {
  test.each(LEVELS.filter((level) => level !== "root"))(
    "is refused with hashes rebuilt to the level %s",
    async (level) => {
      brokenRule(await verify(memorySource(attacked(artifact, attack, level)), { replay }));
    },
  );

  test("is refused by its rule when every hash is rebuilt", async () => {
    const file = attacked(artifact, attack, "root");
    expect(file).not.toEqual(artifact);
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
    const file = attacked(artifact, attack, "root");
    brokenRule(await verify(memorySource(file), { expectedRoot: header.root }));
  });
});

describe("a file changed as bare bytes", () => {
  test.each(BYTE_ATTACKS)("is refused: $name", async ({ mutate }) => {
    const file = mutate(artifact);
    expect(file).not.toEqual(artifact);
    brokenRule(await verify(memorySource(file)));
  });
});

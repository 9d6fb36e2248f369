import { ATTACKS, attacked, BYTE_ATTACKS, LEVELS, TINY_KINDS, type TinyKind } from "@s7l/fixtures";
import { memorySource, readHeader } from "@s7l/format";
import { beforeAll, describe, expect, test } from "vitest";
import { type RuleVerdict, type Verification, verify } from "../src/index.ts";
import { replay, sealTiny } from "./seal-tiny.ts";
import { sealWide } from "./seal-wide.ts";

const artifacts = new Map<TinyKind | "wide", Uint8Array>();

beforeAll(async () => {
  for (const kind of TINY_KINDS) artifacts.set(kind, await sealTiny(kind));
  artifacts.set("wide", await sealWide());
});

/** The artifact that an attack is made for. */
function fixtureOf(kind: TinyKind | "wide" = "experts"): Uint8Array {
  const artifact = artifacts.get(kind);
  if (!artifact) throw new Error(`no fixture ${kind}`);
  return artifact;
}

const rootOf = (artifact: Uint8Array): Uint8Array => readHeader(artifact.subarray(0, 256)).root;

/** What each rule finds. Callers branch on these. */
const FINDINGS: Readonly<Record<RuleVerdict["id"], readonly string[]>> = {
  V0: [
    ...["file-size", "reserved-byte", "section-order", "section-place", "padding", "not-canonical", "tensor-order"],
    ...["tensor-place", "tensor-content"],
  ],
  V1: [
    ...["not-an-artifact", "version", "header", "limit", "section-missing", "schema", "fold", "tensor-plan", "policy"],
    ...["vocabulary", "routing"],
  ],
  V2: ["gate-missing", "gate"],
  V3: ["chunk", "tensor-root", "component", "data-root", "provenance", "schema"],
  V4: ["section-unknown", "schema"],
  V5: ["lane"],
  V6: ["root", "table-digest", "section-digest", "golden", "draft", "replay", "schema"],
  V7: ["abi-unknown", "abi-hash", "policy-hash", "meta-hash", "root-unexpected", "schema"],
};

type Refusal = Extract<RuleVerdict, { ok: false }>;

/** The one broken rule of a refusal: the verdict names it, says why and where, and hands out no artifact. */
function brokenRule(result: Verification): Refusal {
  expect(result).toMatchObject({ ok: false, integrity: "broken", authenticity: "unproven" });
  expect(result).not.toHaveProperty("artifact");
  const broken = result.rules.filter((rule): rule is Refusal => !rule.ok && rule.code !== "not-reached");
  expect(broken).toHaveLength(1);
  const [rule] = broken;
  if (!rule) throw new Error("no rule is broken");
  expect(FINDINGS[rule.id]).toContain(rule.code);
  expect(rule.message).not.toBe("");
  expect(rule.at).toMatch(/^\S/);
  return rule;
}

describe("the fixture", () => {
  test.each(TINY_KINDS)("%s is accepted as it is, and by its root", async (kind) => {
    const artifact = fixtureOf(kind);
    const result = await verify(memorySource(artifact), { replay, expectedRoot: rootOf(artifact) });
    expect(result.rules.filter(({ ok }) => !ok)).toEqual([]);
    expect(result).toMatchObject({ ok: true, integrity: "whole", authenticity: "pinned" });
  });

  test.each(TINY_KINDS)("%s is rebuilt to the same bytes when nothing is changed", (kind) => {
    const artifact = fixtureOf(kind);
    for (const level of LEVELS) {
      expect(attacked(artifact, { name: "nothing", expect: "pin", mutate: () => undefined }, level)).toEqual(artifact);
    }
  });
});

describe.each(ATTACKS)("$name", (attack) => {
  test.each(LEVELS.filter((level) => level !== "root"))(
    "is refused with hashes rebuilt to the level %s",
    async (level) => {
      brokenRule(await verify(memorySource(attacked(fixtureOf(attack.fixture), attack, level)), { replay }));
    },
  );

  test("is refused by its rule when every hash is rebuilt", async () => {
    const artifact = fixtureOf(attack.fixture);
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
    const artifact = fixtureOf(attack.fixture);
    const file = attacked(artifact, attack, "root");
    brokenRule(await verify(memorySource(file), { expectedRoot: rootOf(artifact) }));
  });
});

describe("a file changed as bare bytes", () => {
  test.each(BYTE_ATTACKS)("is refused: $name", async ({ mutate }) => {
    const artifact = fixtureOf();
    const file = mutate(artifact);
    expect(file).not.toEqual(artifact);
    brokenRule(await verify(memorySource(file)));
  });
});

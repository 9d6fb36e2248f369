/** Artifacts to attack, and what refusing one looks like. */
import type { TinyKind } from "@s7l/fixtures";
import { expect } from "vitest";
import type { RuleVerdict, Verification } from "../src/index.ts";
import { sealTiny } from "./seal-tiny.ts";
import { sealWide } from "./seal-wide.ts";

const sealed = new Map<string, Promise<Uint8Array>>();

/** The artifact that an attack is made for, sealed when it is first asked for. */
export function fixtureOf(kind: TinyKind | "wide" = "experts"): Promise<Uint8Array> {
  const artifact = sealed.get(kind) ?? (kind === "wide" ? sealWide() : sealTiny(kind));
  sealed.set(kind, artifact);
  return artifact;
}

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
export function brokenRule(result: Verification): Refusal {
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

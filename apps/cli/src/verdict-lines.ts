/** A verification, for people and for `--json`. */
import type { RuleId, Verification } from "@s7l/verify";
import type { Ink } from "./ink.ts";
import { formatCount } from "./quantity.ts";

/** The names of the rules, as the law has them. */
const NAMES: Readonly<Record<RuleId, string>> = {
  V0: "canonical order",
  V1: "fold legality",
  V2: "control gate",
  V3: "compute mediation",
  V4: "projection read-only",
  V5: "lane binding",
  V6: "replay",
  V7: "hash binding",
};

/** What holding each rule means, in a few words. */
const MEANINGS: Readonly<Record<RuleId, string>> = {
  V0: "one encoding: ordered names, aligned, zero padding, no gap",
  V1: "a known compute program with exactly its tensors",
  V2: "the STX gate stands first and binds numerics and policy",
  V3: "every chunk, tensor and component recomputes",
  V4: "data alone: no unknown section, no code, no reference",
  V5: "each section lies in its lane",
  V6: "the root recomputes",
  V7: "numerics, policy and metadata are bound by the root",
};

/** One line a rule. */
export function ruleLines({ rules }: Verification, ink: Ink): readonly string[] {
  return rules.map((rule) => {
    const name = `${ink.bold(rule.id)} ${NAMES[rule.id].padEnd(21)}`;
    if (rule.ok) return `${name}${ink.green("holds")}   ${ink.dim(meaningOf(rule.id, rule.replayed))}`;
    if (rule.code === "not-reached") return `${name}${ink.yellow("open")}    ${ink.dim(rule.message)}`;
    const place = rule.at === undefined || rule.message.includes(rule.at) ? "" : `, at ${rule.at}`;
    return `${name}${ink.red("BROKEN")}  ${rule.message} [${rule.code}${place}]`;
  });
}

/** What the whole is worth: integrity, authenticity, coverage. */
export function worthLines({ integrity, authenticity, coverage }: Verification, ink: Ink): readonly string[] {
  const shade = integrity === "broken" ? ink.red : integrity === "whole" ? ink.green : ink.yellow;
  const hint =
    authenticity === "unproven" ? ` ${ink.dim("(consistent, but nobody vouches for it: pin the root)")}` : "";
  return [
    `integrity     ${shade(integrity)}`,
    `authenticity  ${authenticity}${hint}`,
    `coverage      ${formatCount(coverage.chunks)} of ${formatCount(coverage.total)} chunks`,
  ];
}

/** The object of `verify --json`; everything of it but the artifact itself. */
export function verdictJson({ ok, rules, root, integrity, authenticity, coverage }: Verification): object {
  return { ok, rules, root: root ?? null, integrity, authenticity, coverage };
}

function meaningOf(id: RuleId, replayed: boolean | undefined): string {
  if (replayed === undefined) return MEANINGS[id];
  return `${MEANINGS[id]}; ${replayed ? "golden logits replayed bit for bit" : "golden prompts not replayed"}`;
}

/** A verification, for people and for `--json`. */
import type { RuleId, Verification } from "@s7l/verify";
import type { Ink } from "./ink.ts";
import { formatCount } from "./quantity.ts";
import { brokenRule } from "./sealing.ts";

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
export function ruleLines({ rules, integrity }: Verification, ink: Ink): readonly string[] {
  return rules.map((rule) => {
    const name = `${ink.bold(rule.id)} ${NAMES[rule.id].padEnd(21)}`;
    const part = rule.id === "V3" && integrity === "partial" ? ", of what was asked for" : "";
    if (rule.ok) return `${name}${ink.green("holds")}   ${ink.dim(meaningOf(rule.id, rule.replayed) + part)}`;
    if (rule.code === "not-reached") return `${name}${ink.yellow("open")}    ${ink.dim(rule.message)}`;
    const place = rule.at === undefined || rule.message.includes(rule.at) ? "" : `, at ${rule.at}`;
    return `${name}${ink.red("BROKEN")}  ${rule.message} [${rule.code}${place}]`;
  });
}

/** What the whole is worth: integrity, authenticity, coverage. */
export function worthLines(
  { integrity, authenticity, coverage, signature }: Verification,
  ink: Ink,
): readonly string[] {
  const hint = integrity === "broken" && !signature ? "" : hintOf(authenticity, signature, ink);
  const shade = integrity === "broken" ? ink.red : integrity === "whole" ? ink.green : ink.yellow;
  return [
    `integrity     ${shade(integrity)}`,
    `authenticity  ${authenticity === "refused" ? ink.red(authenticity) : authenticity}${hint}`,
    `coverage      ${formatCount(coverage.chunks)} of ${formatCount(coverage.total)} chunks`,
  ];
}

function hintOf(authenticity: Verification["authenticity"], signature: Verification["signature"], ink: Ink): string {
  if (authenticity === "unproven")
    return ` ${ink.dim("(consistent, but nobody vouches for it: pin the root, or name a key)")}`;
  if (!signature) return "";
  if (!signature.ok) return `  ${signature.message} [${signature.code}]`;
  const comment = signature.comment === undefined ? "" : `: ${signature.comment}`;
  return ` ${ink.dim(`(by key ${signature.key}${comment})`)}`;
}

/** The object of `verify --json`; everything of it but the artifact itself. */
export function verdictJson(verification: Verification): object {
  const { ok, rules, root, integrity, authenticity, coverage, signature } = verification;
  return { ok, rules, root: root ?? null, integrity, authenticity, coverage, ...(signature ? { signature } : {}) };
}

/** Why an artifact is refused: the rule that is broken, else its signature. */
export function whyRefused(verification: Verification): string {
  const { signature, broken } = verification;
  if (broken || !signature || signature.ok) return brokenRule(verification);
  return `${signature.message} [${signature.code}]`;
}

function meaningOf(id: RuleId, replayed: boolean | undefined): string {
  if (replayed === undefined) return MEANINGS[id];
  return `${MEANINGS[id]}; ${replayed ? "golden logits replayed bit for bit" : "golden prompts not replayed"}`;
}

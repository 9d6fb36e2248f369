/**
 * V6, replay: the root recomputes down to every section, and the golden prompts give their digests again, bit for bit.
 */
import {
  equalBytes,
  type GoldenPrompt,
  goldenSchema,
  type Header,
  MAX_PROMPT_IDS,
  repeatedPrompt,
  rootOfHeader,
  type SectionEntry,
  type SectionName,
  sectionDigest,
  tableDigest,
  type Value,
} from "@s7l/format";
import { refuse } from "../errors.ts";
import type { Program } from "./v1-fold-legality.ts";

/** R = H(header). */
export function rootRecomputes(bytes: Uint8Array, { root }: Header): void {
  if (!equalBytes(rootOfHeader(bytes), root))
    refuse("root", "the root does not recompute from the header", "header.root");
}

/** The header holds the table. */
export function tableDigestMatches(bytes: Uint8Array, { tableDigest: sealed }: Header): void {
  if (!equalBytes(tableDigest(bytes), sealed))
    refuse("table-digest", "the section table does not match its digest", "table");
}

/** The table holds the section. */
export function sectionDigestMatches(name: SectionName, entry: SectionEntry, bytes: Uint8Array): void {
  if (!equalBytes(sectionDigest(entry, bytes), entry.digest))
    refuse("section-digest", `section ${name} does not match its digest`, name);
}

/** There is a golden prompt, each could be run, and none is another over again. */
export function legalGoldens(value: Value, { fold, policy }: Program): readonly GoldenPrompt[] {
  const golden = goldenSchema.parse(value, "GOLDEN");
  for (const [i, { ids }] of golden.entries()) {
    const at = `GOLDEN[${i}]`;
    if (ids.length > policy.maxContext)
      refuse("golden", `golden prompt ${i} has ${ids.length} ids; the policy allows ${policy.maxContext}`, at);
    const stray = ids.find((id) => id >= fold.vocab);
    if (stray !== undefined)
      refuse("golden", `golden prompt ${i} holds id ${stray}; the vocabulary has ${fold.vocab}`, at);
  }
  const count = golden.reduce((sum, { ids }) => sum + ids.length, 0);
  if (count > MAX_PROMPT_IDS)
    refuse("golden", `the golden prompts have ${count} ids; ${MAX_PROMPT_IDS} are allowed in all`, "GOLDEN");
  const twice = repeatedPrompt(golden.map(({ ids }) => ids));
  if (twice >= 0) refuse("golden", `golden prompt ${twice} stands there twice`, `GOLDEN[${twice}]`);
  return golden;
}

/** The replayed digests are the sealed ones. */
export function equalDigests(golden: readonly GoldenPrompt[], replayed: readonly Uint8Array[]): void {
  for (const [i, { digest }] of golden.entries()) {
    const found = replayed[i];
    if (!found || !equalBytes(found, digest)) {
      refuse("replay", `golden prompt ${i} gave other logits than were sealed`, `GOLDEN[${i}]`);
    }
  }
}

/** The artifact is no draft: its golden prompts were run before it was sealed. */
export function sealedGoldens(golden: readonly GoldenPrompt[]): void {
  const draft = golden.findIndex(({ digest }) => digest.every((byte) => byte === 0));
  if (draft >= 0)
    refuse("draft", `golden prompt ${draft} has no digest: this is a draft that was never run`, `GOLDEN[${draft}]`);
}

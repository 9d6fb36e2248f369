import { SECTION_NAMES, SECTIONS, type SectionEntry, type SectionName } from "@s7l/format";
import { expect, test } from "vitest";
import { findingOf } from "../../test/finding.ts";
import { boundLanes } from "./v5-lane-binding.ts";

test("each section is in its lane, and in no other", () => {
  const table = (moved?: SectionName, lane = 0): ReadonlyMap<SectionName, SectionEntry> =>
    new Map(
      SECTION_NAMES.map((name) => {
        const entry = { ...SECTIONS[name], offset: 0, size: 1, digest: new Uint8Array(32) };
        return [name, name === moved ? { ...entry, lane } : entry];
      }),
    );
  expect(findingOf(() => boundLanes(table()))).toBe("nothing");
  for (const name of SECTION_NAMES)
    for (let lane = 0; lane < 256; lane++)
      expect(findingOf(() => boundLanes(table(name, lane)))).toBe(
        lane === SECTIONS[name].lane ? "nothing" : `lane ${name}`,
      );
});

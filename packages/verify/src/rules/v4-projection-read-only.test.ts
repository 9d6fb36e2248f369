import { SECTION_NAMES, SECTIONS, type SectionEntry } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { findingOf } from "../../test/finding.ts";
import { displayOnly, knownSections } from "./v4-projection-read-only.ts";

const entryOf = (type: number): SectionEntry => ({ type, lane: 1, offset: 0, size: 1, digest: new Uint8Array(32) });

describe("sections", () => {
  test("are all of a known type, in the order of the table", () => {
    const types: readonly number[] = SECTION_NAMES.map((name) => SECTIONS[name].type);
    expect([...knownSections(types.map(entryOf)).keys()]).toEqual(SECTION_NAMES);
    expect([...knownSections(types.toReversed().map(entryOf)).keys()]).toEqual(SECTION_NAMES.toReversed());
    for (const unknown of [0, 14, 99, 0xffff])
      for (const index of [0, 3])
        expect(findingOf(() => knownSections(types.with(index, unknown).map(entryOf)))).toBe(
          `section-unknown table[${index}]`,
        );
  });
});

describe("what is for display", () => {
  test("has its own keys and no others", () => {
    expect(displayOnly({ name: "a", notes: ["b"] })).toEqual({ name: "a", notes: ["b"] });
    expect(findingOf(() => displayOnly({ name: "a", script: "x" }))).toBe("schema META");
    expect(findingOf(() => displayOnly({ name: 5 }))).toBe("schema META.name");
  });
});

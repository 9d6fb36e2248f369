/**
 * V4, projection read-only: nothing in an artifact can be written or executed. There are no sections but the known ones, and
 * what is for display is of a closed form: no reference, no code, no other name for a tensor.
 */
import { type Meta, metaSchema, type SectionEntry, type SectionName, sectionName, type Value } from "@s7l/format";
import { refuse } from "../errors.ts";

/** Every section is of a known type. The map keeps the order of the table; V0 sees to duplicates. */
export function knownSections(entries: readonly SectionEntry[]): ReadonlyMap<SectionName, SectionEntry> {
  return new Map(
    entries.map((entry, i) => {
      const name =
        sectionName(entry.type) ??
        refuse("section-unknown", `section ${i} is of unknown type ${entry.type}`, `table[${i}]`);
      return [name, entry] as const;
    }),
  );
}

/** META has its own keys and no others. */
export function displayOnly(value: Value): Meta {
  return metaSchema.parse(value, "META");
}

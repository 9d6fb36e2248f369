/**
 * V5, lane binding: each section is in its lane. The lane is inside the section's digest, so it cannot be changed apart.
 */
import { SECTIONS, type SectionEntry, type SectionName } from "@s7l/format";
import { refuse } from "../errors.ts";

/** DICT vocabulary, FIELD tensors, LANE policy, EDGE routing and control, BATCH compute. */
export function boundLanes(table: ReadonlyMap<SectionName, SectionEntry>): void {
  for (const [name, { lane }] of table) {
    const bound = SECTIONS[name].lane;
    if (lane !== bound) refuse("lane", `section ${name} is in lane ${lane}; it belongs in lane ${bound}`, name);
  }
}

import { oneLine } from "../printable.ts";
import type { Report } from "../report.ts";

/** Keys of an Axolotl file that have no part in making a model are named, so that nothing is dropped in silence. */
export function noteUnused(report: Report, keys: readonly string[], file: string): void {
  if (keys.length > 0) report.note(oneLine(`${file}: not used here: ${keys.join(", ")}`));
}

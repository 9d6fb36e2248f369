/** The configs that have names: those of the package beside this one. */
import { createRequire } from "node:module";
import { dirname } from "node:path";

/** The folder of the shipped configs. */
export function configFolder(): string {
  return dirname(createRequire(import.meta.url).resolve("@s7l/configs/package.json"));
}

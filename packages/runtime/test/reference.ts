/** Where reference data lies: beside this checkout, or not at all; tests that need it skip where it is absent. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../../..");

/** A path under `../shared`, beside the repository. */
export function sharedPath(path: string): string {
  return join(root, "../shared", path);
}

/** The first of these folders that exists: the model embedded in the repository, else its origin. */
export const s7MiniPath: string | undefined = [join(root, "models/s7-mini"), sharedPath("models/s7-mini")].find(
  (path) => existsSync(path),
);

/** JSON of a file. */
export function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8"));
}

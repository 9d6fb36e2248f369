/** The compiled engines, as tests have them. */
import { describe } from "vitest";
import { hasExactDot } from "./relaxed-dot.ts";

/** Tests of each compiled engine; those of `relaxed` are skipped, visibly, where the host lacks its instruction and nowhere else. */
export function describeEngines(what: string, tests: (engine: "simd" | "relaxed") => void): void {
  for (const engine of ["simd", "relaxed"] as const)
    describe.skipIf(engine === "relaxed" && !hasExactDot)(`${engine} ${what}`, () => tests(engine));
}

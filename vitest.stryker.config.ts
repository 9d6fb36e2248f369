/** What Stryker runs against each mutant: the tests of one package (S7L_PACKAGE), less those that take minutes or a build. */
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import base from "./vitest.config.ts";

// biome-ignore lint/suspicious/noUndeclaredEnvVars: scripts/stryker.mjs sets it, and turbo runs neither
const name = process.env.S7L_PACKAGE;
const source = (path: string): string => join(import.meta.dirname, "packages", path);

export default defineConfig({
  ...base,
  // The mutated copy of format, also for the packages that its tests and those of verify lean on.
  ...(name === "format"
    ? {
        resolve: {
          ...base.resolve,
          alias: [
            { find: /^@s7l\/format$/, replacement: source("format/src/index.ts") },
            { find: /^@s7l\/format\/file$/, replacement: source("format/src/file/index.ts") },
          ],
        },
      }
    : {}),
  test: {
    ...base.test,
    include: [
      `packages/${name}/{src,test}/**/*.test.ts`,
      // A folder of weights belongs to format; it is tested where there are weights and a sealer.
      ...(name === "format" ? ["folder", "resume"].map((it) => `packages/pack/test/weights-${it}.test.ts`) : []),
    ],
    exclude: ["every-bit", "random-mutations", "attack-levels", "embedding/embedding", "examples"].map(
      (slow) => `packages/verify/test/${slow}.test.ts`,
    ),
  },
});

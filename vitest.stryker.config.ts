/** What Stryker runs against each mutant: tests (S7L_TESTS) of one package (S7L_PACKAGE), less those that take minutes or a build. */
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import type { Reporter, RunnerTestSuite, Vitest } from "vitest/node";
import whole from "./vitest.config.ts";

// biome-ignore lint/suspicious/noUndeclaredEnvVars: scripts/stryker.mjs sets it, and turbo runs neither
const name = process.env.S7L_PACKAGE;
const source = (path: string): string => join(import.meta.dirname, "packages", path);

/**
 * Fails the tests of a file or group whose hook failed: vitest skips them, and Stryker, which looks at tests alone, would say that a
 * mutant which breaks what all of them begin with had survived.
 */
function failWithHooks(suite: RunnerTestSuite, above?: RunnerTestSuite["result"]): void {
  const failed = suite.result?.errors?.length ? suite.result : above;
  for (const task of suite.tasks) {
    if (task.type === "suite") failWithHooks(task, failed);
    else if (failed) Object.assign(task, { mode: "run", result: { state: "fail", errors: failed.errors } });
  }
}

/** Without the projects, of which each has its own tests. */
const { projects: _, ...settings } = whole.test ?? {};
const base = { ...whole, test: settings };

let vitest: Vitest | undefined;
const hooks: Reporter = {
  onInit: (started) => {
    vitest = started;
  },
  onTestRunEnd: () => {
    for (const file of vitest?.state.getFiles() ?? []) failWithHooks(file);
  },
};

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
    reporters: [hooks],
    // One registry of modules for all files: to load them for each would take most of the time.
    isolate: false,
    // biome-ignore lint/suspicious/noUndeclaredEnvVars: scripts/stryker.mjs sets it
    include: process.env.S7L_TESTS?.split(" ") ?? [],
    exclude: ["every-bit", "random-mutations", "attack-levels", "embedding/embedding", "examples"].map(
      (slow) => `packages/verify/test/${slow}.test.ts`,
    ),
  },
});

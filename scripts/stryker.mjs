// Mutation testing of format and verify: `npm run test:stryker`, or `npm run test:stryker -- verify rules` for one package or one
// slice of it. A slice is a folder of src, or `.` for the files beside them; each is a run of its own. Not in CI: it takes an hour.
// Prints every mutant that survived or ran out of time, then the score. The mutants' fates are kept in reports/stryker.
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { Stryker } from "@stryker-mutator/core";

/** The least score of a package, in hundredths: mutants that a test detects, of all that a test reaches or should. */
const LEAST = 85;
const PACKAGES = ["format", "verify"];
/** Runs in threads alone, from a text that the build makes of it: no mutant of it would ever run. */
const BUILT = "packages/verify/src/threads/worker.ts";
/** What tests the files beside verify's folders, together with the tests beside them. */
const VERIFY = ["src/cache/*.test.ts", "test/changed-file.test.ts", "test/attacks.test.ts"];
const root = join(import.meta.dirname, "..");
const [onlyPackage, onlySlice] = process.argv.slice(2);

function slicesOf(name) {
  const entries = readdirSync(join(root, "packages", name, "src"), { withFileTypes: true });
  return [".", ...entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)];
}

/** The tests that a slice is held to: those in its folder. All others are run against it too, but by `npm test`. */
function testsOf(name, slice) {
  const folder = slice.includes(".ts") ? dirname(slice) : slice;
  const tests =
    folder === "." ? ["src/*.test.ts", ...(name === "verify" ? VERIFY : [])] : [`src/${folder}/**/*.test.ts`];
  return tests.map((it) => `packages/${name}/${it}`).join(" ");
}

async function mutate(name, slice) {
  process.env.S7L_PACKAGE = name;
  process.env.S7L_TESTS = testsOf(name, slice);
  // What is tested beside other people's tools takes minutes, and is tested without them too.
  process.env.S7L_MINISIGN = process.env.S7L_MODEL_SIGNING = "none";
  const src = `packages/${name}/src`;
  const report = join(root, "reports", "stryker", `${name}-${slice === "." ? "src" : slice.replace("/", "-")}.json`);
  return new Stryker({
    mutate: slice.includes(".ts")
      ? [`${src}/${slice}`]
      : [
          `${src}/${slice === "." ? "" : `${slice}/**/`}*.ts`,
          "!**/*.test.ts",
          "!**/index.ts",
          "!**/*.generated.ts",
          ...(slice === "threads" ? [`!${BUILT}`] : []),
        ],
    // The copy that is mutated holds what the tests of one package read; the others it imports as they stand.
    ignorePatterns: [
      "/**",
      `!/packages/${name}/{src,test,package.json}`,
      `!/packages/${name}/{src,test}/**`,
      "!/vitest*.ts",
      "!/package.json",
    ],
    testRunner: "vitest",
    vitest: { configFile: "vitest.stryker.config.ts", related: false },
    plugins: ["@stryker-mutator/vitest-runner", join(root, "scripts", "stryker-messages.mjs")],
    ignorers: ["messages"],
    coverageAnalysis: "perTest",
    // A mutant in what runs once at load (a table, a constant) needs a fresh process each: a hundred times the time of the rest.
    ignoreStatic: true,
    concurrency: 2,
    dryRunTimeoutMinutes: 20,
    // A mutant that loops is detected by its time. Generous, as a machine that is busy must not detect any other.
    timeoutMS: 15_000,
    timeoutFactor: 3,
    // What was found before stays, but for what is new in the source or in the tests; remove the report to begin anew.
    incremental: true,
    incrementalFile: report,
    tempDirName: ".stryker-tmp",
    tsconfigFile: "none.json",
    reporters: ["progress-append-only"],
    allowConsoleColors: false,
    logLevel: "warn",
  }).runMutationTest();
}

const DETECTED = new Set(["Killed", "Timeout"]);
const MISSED = new Set(["Survived", "NoCoverage"]);
const LISTED = new Set([...MISSED, "Timeout"]);
let weak = false;

mkdirSync(join(root, "reports", "stryker"), { recursive: true });
for (const name of PACKAGES.filter((it) => onlyPackage === undefined || it === onlyPackage)) {
  let detected = 0;
  let missed = 0;
  let ignored = 0;
  for (const slice of onlySlice ? [onlySlice] : slicesOf(name)) {
    const before = Date.now();
    const results = await mutate(name, slice);
    const count = (set) => results.filter(({ status }) => set.has(status)).length;
    for (const { status, fileName, location, mutatorName, replacement } of results)
      if (LISTED.has(status))
        console.log(
          `${status} ${fileName.replace(`${root}/`, "")}:${location.start.line}:${location.start.column} ${mutatorName} ${JSON.stringify(replacement)}`,
        );
    detected += count(DETECTED);
    missed += count(MISSED);
    ignored += count(new Set(["Ignored"]));
    console.log(
      `${name} ${slice}: ${count(DETECTED)} of ${count(DETECTED) + count(MISSED)} detected, ${count(new Set(["Timeout"]))} of them by their time, in ${Math.round((Date.now() - before) / 1000)} s`,
    );
  }
  const score = (100 * detected) / Math.max(1, detected + missed);
  weak ||= score < LEAST;
  console.log(
    `${name}: ${score.toFixed(1)} %, ${detected} of ${detected + missed} mutants detected; ${ignored} ignored`,
  );
}
rmSync(join(root, ".stryker-tmp"), { recursive: true, force: true });
process.exitCode = weak ? 1 : 0;

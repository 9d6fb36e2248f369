// Prints "N passed, N failed" from the JSON report that vitest wrote, and exits 1 unless every test passed.
import { existsSync, readFileSync } from "node:fs";

const [path] = process.argv.slice(2);
if (path === undefined || !existsSync(path)) {
  console.log("vitest left no report: the build or the set-up failed before any test ran");
  console.log("0 passed, 0 failed");
  process.exit(1);
}

const report = JSON.parse(readFileSync(path, "utf8"));
// A file that fails to load has no tests to count, yet it is a failure.
const unloadable = report.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
for (const file of unloadable) console.log(`could not load ${file.name}`);

const passed = report.numPassedTests;
const failed = report.numFailedTests + unloadable.length;
if (report.numPendingTests > 0) console.log(`${report.numPendingTests} skipped`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(report.success && failed === 0 && passed > 0 ? 0 : 1);

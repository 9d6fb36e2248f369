// The tests that `npm test` runs a share of, run whole (S7L_WHOLE): `npm run test:whole`.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const FILES = [
  "packages/quantize/test/quality.test.ts",
  "packages/quantize/test/reference.test.ts",
  "packages/runtime/src/engine/real-models.test.ts",
  "packages/runtime/src/engine/thread-crew.test.ts",
  "packages/runtime/src/receipt/replay-receipt.test.ts",
];

const root = join(import.meta.dirname, "..");
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const { status } = spawnSync(process.execPath, [vitest, "run", ...FILES], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, S7L_WHOLE: "1" },
});
process.exitCode = status ?? 1;

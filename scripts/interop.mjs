// Signatures both ways with the tools that others verify with: OpenSSF's `model_signing` (from PyPI, into a folder that goes
// away) and `minisign` (where the system has it). What cannot be had is said, and its tests are skipped. `npm run test:interop`.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { findModelSigning } from "./model-signing.mjs";

const root = join(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "s7l-interop-"));

/** Whether a command ran well. */
const runs = (command, ...args) => spawnSync(command, args, { stdio: ["ignore", "ignore", "inherit"] }).status === 0;

try {
  const modelSigning = findModelSigning(folder);
  if (!runs(env.S7L_MINISIGN ?? "minisign", "-v")) console.log("skip minisign: it is not installed");
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const { status } = spawnSync(
    process.execPath,
    [vitest, "run", "packages/verify/src/signature/signed-by", "-t", "stock"],
    {
      cwd: root,
      stdio: "inherit",
      env: { ...env, S7L_WHOLE: "1", ...(modelSigning === undefined ? {} : { S7L_MODEL_SIGNING: modelSigning }) },
    },
  );
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

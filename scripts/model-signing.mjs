// OpenSSF's stock tool, from PyPI into a folder.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { env } from "node:process";

/** With pyOpenSSL, which its `verify key` imports and does not declare. */
const PACKAGES = ["model-signing==1.1.1", "pyOpenSSL"];

const runs = (command, ...args) => spawnSync(command, args, { stdio: ["ignore", "ignore", "inherit"] }).status === 0;

/** The command `model_signing`: what S7L_MODEL_SIGNING names, or a new one in `folder`. Where neither can be, says so and gives undefined. */
export function findModelSigning(folder) {
  if (env.S7L_MODEL_SIGNING) return env.S7L_MODEL_SIGNING;
  const bin = join(folder, process.platform === "win32" ? "Scripts" : "bin");
  const quiet = ["--quiet", "--disable-pip-version-check", "--retries", "1"];
  if (runs("python3", "-m", "venv", folder) && runs(join(bin, "pip"), "install", ...quiet, ...PACKAGES))
    return join(bin, "model_signing");
  console.log(`skip model_signing: there is no python3 that can install ${PACKAGES.join(" and ")}`);
  return undefined;
}

// Runs turbo with its telemetry off. A wrapper, because turbo.json has no such switch and `VAR=1 command` in an npm
// script does not work in every shell.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";

const turbo = createRequire(import.meta.url).resolve("turbo/bin/turbo");
// turbo looks for pnpm on PATH, where an npm script puts it but a plain `node scripts/turbo.mjs` does not.
const bin = join(import.meta.dirname, "..", "node_modules", ".bin");

const { status, error } = spawnSync(process.execPath, [turbo, ...process.argv.slice(2)], {
  stdio: "inherit",
  env: {
    ...process.env,
    PATH: [bin, process.env.PATH].join(delimiter),
    TURBO_TELEMETRY_DISABLED: "1",
    DO_NOT_TRACK: "1",
    TURBO_NO_UPDATE_NOTIFIER: "1",
  },
});
if (error) throw error;
process.exit(status ?? 1);

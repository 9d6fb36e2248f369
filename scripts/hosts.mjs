// Runs the embedding tests with every host that npm ships beside the Node at hand: Node 22 and 24, Deno, Bun, workerd (and
// Chromium, where the system has one). They are installed into a folder that goes away: 400 MB that no other test needs.
// `npm run test:hosts`; needs the npm registry.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const HOSTS = {
  bun: "1.4.5",
  deno: "2.9.6",
  "node-22": "npm:node@22",
  "node-24": "npm:node@24",
  workerd: "1.20261117.1",
};

const root = join(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "s7l-hosts-"));
try {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies: HOSTS }));
  // Some of them fetch their binary by an install script.
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder, stdio: "inherit" });
  const modules = join(folder, "node_modules");
  const nodes = Object.fromEntries(
    ["22", "24"].map((line) => [`S7L_NODE_${line}`, join(modules, `node-${line}`, "bin", "node")]),
  );
  for (const command of Object.values(nodes))
    if (!existsSync(command)) throw new Error(`npm did not install ${command}`);
  // Behind our own, so that `node` stays the one at hand.
  const PATH = [process.env.PATH, join(modules, ".bin")].join(delimiter);
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const { status } = spawnSync(process.execPath, [vitest, "run", "packages/verify/test/embedding"], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...nodes, S7L_HOSTS: "all", PATH },
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

// One model, one file, one answer: seals the embedded model and runs it on each Node line that we support, with every
// engine there, and compares the roots and the digests of the logits;
// the receipt of the first must hold on all. Node comes from the npm package `node`.
// Run `npm run test:nodes` after a build.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const VERSIONS = ["20", "22", "24"];
const ENGINES = ["interpreter", "simd", "relaxed"];
const PROMPT = "def main(argv):\n    total = 12 + 30\n";
const cli = join(import.meta.dirname, "..", "apps", "cli", "bin", "s7l.js");
const checkpoint = join(import.meta.dirname, "..", "models", "s7-mini", "checkpoints");
const folder = mkdtempSync(join(tmpdir(), "s7l-nodes-"));
const receipt = join(folder, "receipt.json");

/** Standard output of the command on a version of Node. */
const s7l = (version, ...args) =>
  execFileSync("npx", ["--yes", `node@${version}`, cli, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  }).trim();

const results = [];
try {
  for (const version of VERSIONS) {
    const file = join(folder, `node-${version}.s7l`);
    const { root } = JSON.parse(s7l(version, "build", checkpoint, "--out", file, "--json"));
    for (const engine of ENGINES) {
      const run = [
        "run",
        file,
        "--prompt",
        PROMPT,
        "--max-tokens",
        "24",
        "--temperature",
        "0.8",
        "--seed",
        "7",
        "--engine",
        engine,
        "--json",
        ...(results.length === 0 ? ["--receipt", receipt] : []),
      ];
      try {
        const { logitsDigest } = JSON.parse(s7l(version, ...run));
        s7l(version, "replay", receipt, file, "--engine", engine);
        results.push({ version, engine, root, logitsDigest });
        console.log(
          `Node ${version}  ${engine.padEnd(12)}root ${root.slice(0, 16)}…  logits ${logitsDigest.slice(0, 16)}…`,
        );
      } catch (error) {
        // Relaxed SIMD is a matter of the host; any other engine must run.
        if (engine !== "relaxed") throw error;
        console.log(`Node ${version}  ${engine.padEnd(12)}not on this host`);
      }
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const distinct = (key) => new Set(results.map((result) => result[key])).size;
const same = distinct("root") === 1 && distinct("logitsDigest") === 1;
console.log(same ? "one root and one answer on all of them" : "they differ: stop the line");
process.exitCode = same ? 0 : 1;

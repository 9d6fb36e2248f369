// One model, one file, one answer: seals the embedded model and runs it on each Node line that we support, with every
// engine there, and compares the roots and the digests of the logits; the receipt of the first must hold on all. Every engine must run,
// but for `relaxed` where that Node has no exact relaxed dot product, which the tests' own probe says: there it must be refused.
// On Node 24 `auto` has V8 join vectors (engine/wide-vectors.ts), so there the engine's tests run once more that way.
// Node comes from the npm package `node`.
// Run `npm run test:nodes` after a build.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const VERSIONS = ["20", "22", "24"];
const ENGINES = ["interpreter", "simd", "relaxed", "auto"];
const PROMPT = "def main(argv):\n    total = 12 + 30\n";
const root = join(import.meta.dirname, "..");
const cli = join(root, "apps", "cli", "bin", "s7l.js");
const checkpoint = join(root, "models", "s7-mini", "checkpoints");
const folder = mkdtempSync(join(tmpdir(), "s7l-nodes-"));
const receipt = join(folder, "receipt.json");

/** The command takes the fastest engine where none is named. */
const chosen = (engine) => (engine === "auto" ? [] : ["--engine", engine]);

/** Standard output of a version of Node. */
const node = (version, ...args) =>
  execFileSync("npx", ["--yes", `node@${version}`, ...args], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  }).trim();
const s7l = (version, ...args) => node(version, cli, ...args);

/** Whether that Node has what `relaxed` stands on; asked of the tests' probe, as the engine's self-test is what is on trial. */
const hasExactDot = (version) => {
  const ask = 'import { hasExactDot } from "./packages/runtime/test/relaxed-dot.ts"; console.log(hasExactDot);';
  return JSON.parse(node(version, "--import", "tsx", "--input-type=module", "--eval", ask));
};

/** Whether the command says, by its exit and its sentence, that this host has no such engine. */
const isRefused = (version, ...args) => {
  try {
    s7l(version, ...args);
    return false;
  } catch ({ status, stderr }) {
    return status === 2 && / \[engine\]$/m.test(stderr);
  }
};

const results = [];
try {
  for (const version of VERSIONS) {
    const file = join(folder, `node-${version}.s7l`);
    const exactDot = hasExactDot(version);
    const built = JSON.parse(s7l(version, "build", checkpoint, "--out", file, "--json"));
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
        ...chosen(engine),
        "--json",
        ...(results.length === 0 ? ["--receipt", receipt] : []),
      ];
      if (engine === "relaxed" && !exactDot) {
        if (!isRefused(version, ...run))
          throw new Error(`Node ${version} lacks what "relaxed" needs, but does not say so`);
        console.log(`Node ${version}  ${engine.padEnd(12)}not on this host`);
        continue;
      }
      const { logitsDigest } = JSON.parse(s7l(version, ...run));
      s7l(version, "replay", receipt, file, ...chosen(engine));
      results.push({ version, engine, root: built.root, logitsDigest });
      console.log(
        `Node ${version}  ${engine.padEnd(12)}root ${built.root.slice(0, 16)}…  logits ${logitsDigest.slice(0, 16)}…`,
      );
    }
    // Where V8 compiles all of a module at once, a process that only waits for that must not end: Node 24 lets it.
    const patient = node(version, "--no-wasm-lazy-compilation", cli, "run", file, "--prompt", PROMPT, "--json");
    if (!JSON.parse(patient).text) throw new Error(`Node ${version} wrote nothing`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

// Every kernel beside the interpreter again, as V8 compiles it with vectors of 256 bits: at once, not when it has run long enough.
const WIDE = ["--experimental-wasm-revectorize", "--no-liftoff", "--no-wasm-lazy-compilation"];
const wideTests = join("packages", "runtime", "src", "engine");
const vitest = join("node_modules", "vitest", "vitest.mjs");
const flags = WIDE.map((flag) => `--execArgv=${flag}`);
const wide =
  process.arch !== "x64" ||
  spawnSync("npx", ["--yes", "node@24", vitest, "run", wideTests, "--reporter=dot", ...flags], {
    cwd: root,
    stdio: "inherit",
  }).status === 0;
if (process.arch !== "x64") console.log("Node 24  wide vectors: not on this processor");
else
  console.log(
    `Node 24  wide vectors: ${wide ? "every kernel equals the interpreter" : "a kernel differs: stop the line"}`,
  );

const distinct = (key) => new Set(results.map((result) => result[key])).size;
const same = distinct("root") === 1 && distinct("logitsDigest") === 1;
console.log(same ? "one root and one answer on all of them" : "they differ: stop the line");
process.exitCode = same && wide ? 0 : 1;

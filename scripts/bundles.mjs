// The packages as they are published, in bundles of Vite, webpack, esbuild and Next, none of them configured: each is built, held
// to have no import of Node's in what a browser gets, and run (pages where there is a Chromium) on the embedded model.
// `npm run test:bundles` after a build; needs the npm registry, as the bundlers are no part of the workspace.
import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, relative } from "node:path";
import { findChromium, openChromium } from "./chromium.mjs";

const root = join(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "s7l-bundles-"));
const cli = join(root, "apps", "cli", "bin", "s7l.js");
const PROMPT = "12 + 30 =";
const wrong = [];
const ends = [];

/** Holds a finding to what it must be. */
function hold(what, found, expected) {
  const same = found === expected;
  console.log(`${same ? "ok  " : "FAIL"} ${what}${same ? "" : `: ${found}, and not ${expected}`}`);
  if (!same) wrong.push(what);
}

const run = (cwd, command, ...args) =>
  execFileSync(command, args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NEXT_TELEMETRY_DISABLED: "1", CI: "1" },
  });
const bin = (name) => join(folder, "node_modules", ".bin", name);

/** Installs what `npm publish` would send, beside the bundlers. */
function install() {
  cpSync(join(root, "examples", "bundlers"), folder, { recursive: true });
  cpSync(join(root, "examples", "vite"), join(folder, "vite"), { recursive: true });
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  for (const name of ["format", "verify", "runtime"]) {
    const pnpm = join(root, "node_modules", ".bin", "pnpm");
    const packed = JSON.parse(run(join(root, "packages", name), pnpm, "pack", "--json", "--pack-destination", folder));
    manifest.dependencies[`@s7l/${name}`] = `file:${packed.filename}`;
  }
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  run(folder, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error");
}

/** Files under a folder whose names end so. */
function filesUnder(place, ...endings) {
  const names = readdirSync(place, { recursive: true });
  return names.filter((name) => endings.includes(extname(name))).map((name) => join(place, name));
}

/** An import of Node's, in any form that a bundler writes. (`getBuiltinModule("node:crypto")` is none.) */
const NODE_IMPORT =
  /(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*["'`](?:node:|fs["'`]|crypto["'`]|worker_threads["'`])/;

function scan(what, place) {
  const files = filesUnder(place, ".js", ".mjs");
  if (files.length === 0) throw new Error(`${what} built nothing`);
  const found = files.filter((file) => NODE_IMPORT.test(readFileSync(file, "utf8")));
  hold(`${what}: ${files.length} files for the browser, none with an import of Node's`, found.join(), "");
}

/** What a page needs to share memory between threads. */
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/** A plain static file server with ranges, of the folder; pages asked for with `isolated` in their address are. */
async function serve() {
  const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://x");
    const place = join(folder, decodeURIComponent(pathname));
    let bytes;
    try {
      if (relative(folder, place).startsWith("..")) throw new Error("outside");
      bytes = readFileSync(place);
    } catch {
      return response.writeHead(404).end();
    }
    const type = types[extname(place)] ?? "application/octet-stream";
    const headers = {
      "content-type": type,
      etag: `"${bytes.length}"`,
      ...(searchParams.has("isolated") ? ISOLATED : {}),
    };
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    if (from === undefined) return response.writeHead(200, headers).end(bytes);
    const part = bytes.subarray(Number(from), Number(to) + 1);
    const range = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`;
    return response.writeHead(206, { ...headers, "content-range": range }).end(part);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** `next start`, once it answers. */
async function startNext() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  const args = [
    join(folder, "node_modules", "next", "dist", "bin", "next"),
    "start",
    "-p",
    String(port),
    "-H",
    "127.0.0.1",
  ];
  const child = spawn(process.execPath, args, { cwd: join(folder, "next"), stdio: ["ignore", "ignore", "inherit"] });
  ends.push(() => child.kill());
  const base = `http://127.0.0.1:${port}`;
  for (let i = 0; i < 120; i++) {
    if (
      await fetch(base).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return base;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error("next start does not answer");
}

/** What an expression is in the page once it is neither false nor empty; undefined after a minute. */
async function until(evaluate, expression) {
  for (let i = 0; i < 240; i++) {
    const value = await evaluate(expression);
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** What the page shows in #verdict once it shows something. */
const verdictOf = async (evaluate) =>
  (await until(evaluate, 'document.querySelector("#verdict")?.textContent ?? ""')) ?? "nothing, for a minute";

try {
  const model = join(folder, "model.s7l");
  install();
  const built = JSON.parse(
    run(root, process.execPath, cli, "build", join(root, "models/s7-mini/checkpoints"), "--out", model, "--json"),
  );
  const { text } = JSON.parse(
    run(root, process.execPath, cli, "run", model, "--prompt", PROMPT, "--max-tokens", "12", "--json"),
  );
  for (const place of ["webpack", "esbuild", "next/public"]) {
    cpSync(model, join(folder, place, "model.s7l"), { recursive: true });
  }

  run(join(folder, "webpack"), bin("webpack"), "--mode", "production");
  run(
    join(folder, "esbuild"),
    bin("esbuild"),
    "main.js",
    "--bundle",
    "--minify",
    "--format=esm",
    "--outfile=dist/main.js",
    "--log-level=error",
  );
  run(folder, bin("vite"), "build", "vite", "--base", "./", "--logLevel", "error");
  run(join(folder, "next"), bin("next"), "build");
  scan("webpack", join(folder, "webpack", "dist"));
  scan("esbuild", join(folder, "esbuild", "dist"));
  scan("vite", join(folder, "vite", "dist"));
  scan("next", join(folder, "next", ".next", "static"));

  const next = await startNext();
  const other = "0".repeat(64);
  const api = async (pinned) => (await fetch(`${next}/api/verify?root=${pinned}`)).json();
  hold("next, on the server: verifies", (await api(built.root)).root, built.root);
  hold("next, on the server: refuses another root", (await api(other)).code, "root-unexpected");

  const chromium = findChromium();
  if (chromium) {
    const base = await serve();
    const browser = openChromium(chromium);
    ends.push(browser.close);
    const shows = async (url) => verdictOf(await browser.show(url));
    hold(
      "webpack, on threads: verifies",
      await shows(`${base}/webpack/index.html?root=${built.root}`),
      `verified ${built.root}`,
    );
    hold(
      "webpack: refuses another root",
      await shows(`${base}/webpack/index.html?root=${other}`),
      "refused: root-unexpected",
    );
    const prompt = encodeURIComponent(PROMPT);
    const writes = `${base}/esbuild/index.html?root=${built.root}&prompt=${prompt}`;
    hold("esbuild: runs the model as the command does", await shows(writes), `wrote on 1: ${text}`);
    hold(
      "esbuild, isolated: runs it on two threads, the same",
      await shows(`${writes}&threads=2&isolated`),
      `wrote on 2: ${text}`,
    );
    hold("esbuild, not isolated: has one thread", await shows(`${writes}&threads=2`), `wrote on 1: ${text}`);
    hold(
      "esbuild: runs nothing under another root",
      await shows(`${base}/esbuild/index.html?root=${other}`),
      "refused: root-unexpected",
    );
    const page = await browser.show(`${base}/vite/dist/index.html`);
    const fill = `document.querySelector("#address").value = ${JSON.stringify(`${base}/model.s7l`)};
      document.querySelector("#root").value = ${JSON.stringify(built.root)};
      document.querySelector("#remote").requestSubmit();`;
    // A new target is an empty page first, which is complete as well.
    await until(page, 'document.readyState === "complete" && document.querySelector("#remote") !== null');
    await page(fill);
    hold("vite: reads one expert", /^expert 0 of .+ is genuine: \d+ of \d+ chunks/.test(await verdictOf(page)), true);
    hold(
      "next, in the browser: verifies",
      /^verified \d+ bytes$/.test(await shows(`${next}/?root=${built.root}`)),
      true,
    );
    hold(
      "next, in the browser: refuses another root",
      await shows(`${next}/?root=${other}`),
      "refused: root-unexpected",
    );
  } else console.log("skip pages: there is no Chromium here");
} finally {
  for (const end of ends.reverse()) await end();
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
}
process.exitCode = wrong.length === 0 ? 0 : 1;

/** Our engine beside wllama, llama.cpp in WebAssembly, in one page of headless Chromium: `npm run bench:wllama [-- dense|mixture]`. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createReadStream, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { installPeers } from "./install.ts";
import type { Report } from "./page.ts";
import { makeGguf } from "./random-gguf.ts";
import { SHAPES, shapeOf } from "./shapes.ts";
import { rateOf, ratioOf } from "./statistics.ts";
import { DECODE, PREFILL } from "./turn.ts";

const PARTS = ["prefill", "decode"] as const;
const FOLDER = import.meta.dirname;
const BUNDLER: string = "esbuild"; // not this folder's to declare
const CACHE = join(FOLDER, ".cache");
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" } },
});
installPeers();
const browser = ["chromium", "chromium-browser", "google-chrome"].find(
  (command) => spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0,
);
if (!browser) throw new Error("no Chromium on this machine: install one to compare with wllama");
const page = await bundlePage();
for (const shape of positionals.length > 0 ? positionals : Object.keys(SHAPES)) {
  makeGguf(join(CACHE, `${shape}.gguf`), shapeOf(shape));
  print(shape, await visit(shape));
}

function print(shape: string, report: Report): void {
  if ("error" in report) throw new Error(report.error);
  console.log(`\n${shape}, one thread in ${report.browser}, prefill ${PREFILL}, decode ${DECODE}`);
  const { s7l: ours = [], ...theirs } = report.turns;
  const row = (name: string, cells: readonly string[]) =>
    console.log(`${name.padEnd(18)}${cells.map((cell) => cell.padEnd(26)).join("")}`);
  for (const [name, turns] of Object.entries(report.turns))
    row(
      name,
      PARTS.map((part) => rateOf(part, turns)),
    );
  for (const [name, turns] of Object.entries(theirs))
    row(
      `s7l over ${name}`,
      PARTS.map((part) => ratioOf(part, ours, turns)),
    );
}

/** Opens the page and waits for its report. */
async function visit(shape: string): Promise<Report> {
  const { promise, resolve, reject } = deferred<Report>();
  const server = await serve((request, response) => answer(request, response, resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  const profile = mkdtempSync(join(tmpdir(), "s7l-chromium-"));
  const child = openBrowser(profile, `http://127.0.0.1:${address.port}/?shape=${shape}&rounds=${values.rounds}`);
  child.on("exit", (code) => reject(new Error(`Chromium ended with ${code} before the page reported`)));
  try {
    return await promise;
  } finally {
    if (child.kill()) await once(child, "exit"); // it writes to its profile to the last
    server.close();
    server.closeAllConnections();
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

function openBrowser(profile: string, address: string): ChildProcess {
  // No sandbox: as root, which a container often is, Chromium does not start with one. What it visits is ours.
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
  const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
  return spawn(browser ?? "", [...flags, ...quiet, `--user-data-dir=${profile}`, address], { stdio: "ignore" });
}

async function answer(request: IncomingMessage, response: ServerResponse, report: (report: Report) => void) {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  if (pathname === "/report") {
    response.end();
    return report(JSON.parse(await text(request)));
  }
  if (pathname === "/progress") {
    response.end();
    return console.log(await text(request));
  }
  response.setHeader("Content-Type", TYPES[extname(pathname)] ?? "text/html");
  if (pathname === "/") return response.end('<!doctype html><script type="module" src="/page.js"></script>');
  if (pathname === "/page.js") return response.end(page);
  const [, version, rest] = /^\/(wllama-\d)\/(.*)$/.exec(pathname) ?? [];
  const file = version && rest ? join(FOLDER, "node_modules", version, "esm", rest) : join(CACHE, pathname);
  if (!existsSync(file)) return response.writeHead(404).end();
  response.setHeader("Content-Length", statSync(file).size);
  createReadStream(file).pipe(response);
}

interface Esbuild {
  build(
    options: Readonly<Record<string, unknown>>,
  ): Promise<{ readonly outputFiles: readonly { readonly text: string }[] }>;
}

async function bundlePage(): Promise<string> {
  // esbuild is a tool of the verifier's tests; the workspace keeps each package's tools to itself.
  const require = createRequire(join(FOLDER, "../../packages/verify/package.json"));
  const esbuild: Esbuild = require(BUNDLER);
  const { outputFiles } = await esbuild.build({
    entryPoints: [join(FOLDER, "page.ts")],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    conditions: ["@s7l/source"],
    logLevel: "error",
  });
  return outputFiles[0]?.text ?? "";
}

async function serve(handle: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<Server> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

function deferred<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** The hosts that an embedder may be in, as commands that run a bundle. Each is tried where it is installed. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Host {
  readonly name: string;
  readonly installed: boolean;
  /** How often it reports: a browser does so from a page and from a worker. */
  readonly reports: number;
  /** Starts it; it ends by itself or is ended. */
  readonly start: (place: { readonly base: string; readonly folder: string; readonly bundle: string }) => ChildProcess;
}

const found = (...commands: readonly string[]): string | undefined =>
  commands.find((command) => spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0);

/** It takes as long to start as all other hosts together, so `npm test` leaves it to `npm run test:hosts`. */
const chromium = process.env.S7L_HOSTS ? found("chromium", "chromium-browser", "google-chrome") : undefined;
const deno = found("deno");
const bun = found("bun");
const workerd = found("workerd");

const run = (command: string, args: readonly string[]): ChildProcess =>
  spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
/** Chromium complains of all that a headless machine lacks. */
const runUnheard = (command: string, args: readonly string[]): ChildProcess =>
  spawn(command, args, { stdio: "ignore" });

/** Node with no process to find built-in modules by. (Buffer stays: Node's own fetch does not start without.) */
const BARE = "delete globalThis.process; await import(PLACE);";

export const HOSTS: readonly Host[] = [
  {
    name: "Node",
    installed: true,
    reports: 1,
    start: ({ bundle }) => run(process.execPath, [bundle]),
  },
  {
    name: "Node without its built-in modules",
    installed: true,
    reports: 1,
    start: ({ bundle }) =>
      run(process.execPath, ["--input-type=module", "-e", BARE.replace("PLACE", JSON.stringify(bundle))]),
  },
  ...["22", "24"].map((line): Host => {
    // The npm package `node` at a version of its own: `test:hosts` names where they are.
    const command = process.env[`S7L_NODE_${line}`] ?? "";
    return {
      name: `Node ${line}`,
      installed: command !== "" && found(command) !== undefined,
      reports: 1,
      start: ({ bundle }) => run(command, [bundle]),
    };
  }),
  {
    name: "Deno",
    installed: deno !== undefined,
    reports: 1,
    start: ({ bundle }) => run(deno ?? "", ["run", "--no-config", "--allow-net=127.0.0.1", bundle]),
  },
  {
    name: "Bun",
    installed: bun !== undefined,
    reports: 1,
    start: ({ bundle }) => run(bun ?? "", ["run", bundle]),
  },
  {
    name: "workerd",
    installed: workerd !== undefined,
    reports: 1,
    start: ({ folder }) => run(workerd ?? "", ["test", workerdConfig(folder)]),
  },
  {
    name: "Chromium, in a page and in a worker",
    installed: chromium !== undefined,
    reports: 2,
    start: ({ base }) => startBrowser(`${base}/index.html`),
  },
  {
    name: "Chromium, in a page and in a worker that share memory",
    installed: chromium !== undefined,
    reports: 2,
    start: ({ base }) => startBrowser(`${base}/isolated.html?isolated`),
  },
];

/** A worker whose test handler runs the bundle, with the way open to this machine's own addresses. */
function workerdConfig(folder: string): string {
  writeFileSync(
    join(folder, "worker.js"),
    'import { base } from "./base.js";\nimport { report } from "./checks.js";\nexport default { test: () => report(base) };\n',
  );
  const place = join(folder, "config.capnp");
  writeFileSync(
    place,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [
        (name = "worker.js", esModule = embed "worker.js"),
        (name = "checks.js", esModule = embed "checks.js"),
        (name = "base.js", esModule = embed "base.js"),
      ],
      compatibilityDate = "2024-01-01",
      globalOutbound = "net",
    )),
    (name = "net", network = (allow = ["private", "public", "local"])),
  ],
);
`,
  );
  return place;
}

function startBrowser(page: string): ChildProcess {
  const profile = mkdtempSync(join(tmpdir(), "s7l-chromium-"));
  // No sandbox: as root, which a container often is, Chromium does not start with one. What it visits is ours.
  const child = runUnheard(chromium ?? "", [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    `--user-data-dir=${profile}`,
    page,
  ]);
  child.on("close", () => {
    try {
      rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    } catch {
      // A helper of the browser may outlive it for seconds and still write there; the folder is temporary.
    }
  });
  return child;
}

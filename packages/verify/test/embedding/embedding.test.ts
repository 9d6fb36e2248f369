import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { sha256, toHex } from "@s7l/format";
import { type BuildOptions, build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { publicKeyPem } from "../../src/signature/index.ts";
import { generateKey, sign } from "../../src/signing/index.ts";
import { sealWide } from "../seal-wide.ts";
import { HOSTS } from "./hosts.ts";
import { EXPECTED, type Facts } from "./self-check.ts";

let folder: string;
let server: Server;
let base: string;
let reports: unknown[];
let reported: () => void = () => undefined;
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
};
/** With these a page and its workers share memory. */
const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};
const files = new Map<string, Uint8Array | string>();

/** Bundles for any host of the web: what is Node's own stays outside, and shows. */
async function bundled(contents: string, options: BuildOptions = {}) {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: import.meta.dirname, loader: "ts" },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    conditions: ["@s7l/source"],
    metafile: true,
    write: false,
    ...options,
  });
  const [output] = outputFiles ?? [];
  if (!output || !metafile) throw new Error("esbuild wrote nothing");
  return { text: output.text, imports: Object.values(metafile.inputs).flatMap((input) => input.imports) };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-embedding-"));
  const artifact = await sealWide();
  const broken = artifact.slice();
  broken[broken.length - 100] = (broken[broken.length - 100] ?? 0) ^ 1;
  const key = generateKey("p256");
  const sealed = { root: artifact.slice(224, 256), size: artifact.length };
  const digest = async () => sha256(artifact);
  const facts: Facts = {
    root: toHex(sealed.root),
    key: publicKeyPem(key.public),
    signature: new TextDecoder().decode(await sign({ ...sealed, name: "model.s7l", digest }, { key })),
  };
  server = createServer(async (request, response) => {
    if (request.method === "POST") {
      let body = "";
      for await (const piece of request) body += piece;
      reports.push(JSON.parse(body));
      response.end();
      reported();
      return;
    }
    const { pathname, searchParams } = new URL(request.url ?? "/", base);
    const name = pathname.slice(1);
    const found = files.get(name);
    if (found === undefined) return void response.writeHead(404).end();
    const bytes = Buffer.from(found);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    const type = TYPES[/\.[a-z]+$/.exec(name)?.[0] ?? ""] ?? "application/octet-stream";
    if (from === undefined) {
      const isolated = searchParams.has("isolated") ? ISOLATED : {};
      return void response.writeHead(200, { "content-type": type, ...isolated }).end(bytes);
    }
    const part = bytes.subarray(Number(from), Number(to) + 1);
    const range = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`;
    response.writeHead(206, { "content-range": range, etag: `"${name}"` }).end(part);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;

  const checks = await bundled('export { report } from "./self-check.ts";');
  const main = await bundled(`import { report } from "./self-check.ts"; await report(${JSON.stringify(base)});`);
  files.set("model.s7l", artifact);
  files.set("broken.s7l", broken);
  files.set("facts.json", JSON.stringify(facts));
  files.set("main.js", main.text);
  const start = 'new Worker("/main.js", { type: "module" })';
  files.set("index.html", `<!doctype html><script type="module" src="/main.js"></script><script>${start}</script>`);
  const script = '"/main.js?isolated"';
  const both = `import(${script}); new Worker(${script}, { type: "module" });`;
  files.set("isolated.html", `<!doctype html><script type="module">if (crossOriginIsolated) { ${both} }</script>`);
  await writeFile(join(folder, "main.mjs"), main.text);
  await writeFile(join(folder, "checks.js"), checks.text);
  await writeFile(join(folder, "base.js"), `export const base = ${JSON.stringify(base)};`);
});

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

describe("the verifier in a bundle", () => {
  test.each([
    ["@s7l/verify", 30],
    ["@s7l/verify/proof", 15],
    ["@s7l/verify/signature", 30],
    ["@s7l/verify/signing", 32],
  ])("of %s asks for nothing of Node's, and has at most %i kB", async (entry, limit) => {
    const { text, imports } = await bundled(`export * from ${JSON.stringify(entry)};`);
    expect(imports.filter(({ path, external }) => external === true || isBuiltin(path))).toEqual([]);
    expect(gzipSync(text, { level: 9 }).length).toBeLessThan(limit * 1000);
  });

  test("has only what is used of it", async () => {
    const whole = await bundled('export * from "@s7l/verify";');
    const part = await bundled('export { checkProof } from "@s7l/verify/proof";');
    expect(part.text.length).toBeLessThan(whole.text.length / 2);
  });
});

describe.each(HOSTS)("in $name", ({ installed, start, reports: wanted }) => {
  test.skipIf(!installed)(
    "verifies, reads, proves and refuses",
    async () => {
      reports = [];
      const all = new Promise<void>((resolve) => {
        reported = () => {
          if (reports.length === wanted) resolve();
        };
      });
      const child: ChildProcess = start({ base, folder, bundle: join(folder, "main.mjs") });
      const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
      const late = new Promise<void>((resolve) => setTimeout(resolve, 60_000).unref());
      await Promise.race([all, late, ...(wanted === 1 ? [ended] : [])]);
      child.kill();
      await ended;
      expect(reports).toEqual(Array.from({ length: wanted }, () => EXPECTED));
    },
    90_000,
  );
});

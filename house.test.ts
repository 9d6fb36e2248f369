import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

/**
 * The arrows of ARCHITECTURE.md: what the shipped source of each package may import from this repository. Tests and
 * benches may import any package that theirs declares; the shipped source may not import fixtures.
 */
const arrows: Readonly<Record<string, readonly string[]>> = {
  "packages/format": [],
  "packages/quantize": ["@s7l/format"],
  "packages/pack": ["@s7l/format"],
  "packages/verify": ["@s7l/format"],
  "packages/runtime": ["@s7l/format", "@s7l/verify"],
  "packages/fixtures": ["@s7l/format"],
  "apps/cli": [
    "@s7l/configs",
    "@s7l/format",
    "@s7l/pack",
    "@s7l/quantize",
    "@s7l/runtime",
    "@s7l/s7-mini",
    "@s7l/verify",
  ],
};

/** Source that a browser loads: no Node module, except in the folder that a Node-only subpath exports. */
const browserSafe = ["packages/format", "packages/pack", "packages/verify", "packages/runtime"];
const nodeOnly = ["packages/format/src/file/", "packages/pack/src/file/"];

interface Import {
  /** Path of the importing file from the repository root, with forward slashes. */
  readonly file: string;
  readonly specifier: string;
}

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const root = import.meta.dirname;
const workspaces = ["packages", "apps"].flatMap((group) =>
  readdirSync(join(root, group))
    .map((name) => `${group}/${name}`)
    .filter((path) => existsSync(join(root, path, "package.json"))),
);

test("arrows are written down for nothing that is not there", () => {
  expect(Object.keys(arrows).filter((workspace) => !workspaces.includes(workspace))).toEqual([]);
});

/** A lock file that was written where the registry lacked some of these leaves them out, and says nothing. */
test.each(["@biomejs/cli-", "@esbuild/", "@turbo/", "@typescript/typescript-"])(
  "the lock file has the binaries of %s for every desktop",
  (prefix) => {
    const lock = readFileSync(join(root, "pnpm-lock.yaml"), "utf8");
    const names = lock.split("\n").filter((line) => line.startsWith(`  '${prefix}`));
    for (const system of [/darwin-arm64/, /linux-(x64|64)/, /linux-arm64/, /win(32|dows)-(x64|64)/])
      expect(names).toContainEqual(expect.stringMatching(system));
  },
);

describe.each(workspaces)("%s", (workspace) => {
  const manifest: Manifest = JSON.parse(readFileSync(join(root, workspace, "package.json"), "utf8"));
  const imports = sourceFiles(workspace).flatMap(importsOf);
  const shipped = shippedImports(workspace);

  test("has its arrows written down here", () => {
    expect(arrows).toHaveProperty([workspace]);
  });

  test("depends only on packages that its arrows reach", () => {
    const declared = Object.keys(manifest.dependencies ?? {}).filter(isOurs);
    expect(declared.filter((name) => !arrows[workspace]?.includes(name))).toEqual([]);
  });

  test("imports only packages that its arrows reach", () => {
    const ours = shipped.filter(({ specifier }) => isOurs(specifier));
    expect(ours.filter(({ specifier }) => !arrows[workspace]?.includes(packageOf(specifier)))).toEqual([]);
  });

  test("imports no file of another package by its path", () => {
    const relatives = imports.filter(({ specifier }) => specifier.startsWith("."));
    expect(relatives.filter((it) => !targetOf(it).startsWith(`${workspace}/`))).toEqual([]);
  });

  test("imports no test, bench or fixture in what it ships", () => {
    const test = /^@s7l\/fixtures|^vitest$|^fast-check$|\.(test|bench)\.[jt]s$/;
    expect(shipped.filter(({ specifier }) => test.test(specifier))).toEqual([]);
  });
});

test.each(browserSafe)("%s imports no Node module in what a browser loads", (workspace) => {
  const inBrowser = shippedImports(workspace).filter(({ file }) => !isNodeOnly(file));
  const reachesNode = (it: Import) =>
    isBuiltin(it.specifier) ||
    it.specifier === "@s7l/format/file" ||
    (it.specifier.startsWith(".") && isNodeOnly(targetOf(it)));
  expect(inBrowser.filter(reachesNode)).toEqual([]);
});

test("reads the imports of a file in each form they take", () => {
  const source = `
    import "./a.ts"; import b from "b"; import { c, type d } from 'c';
    import type { e } from "e"; export { f } from "f"; const g = await import("g");
    import {
      h,
    } from "h";
    // import "commented";
  `;
  expect(specifiersOf(source)).toEqual(["./a.ts", "b", "c", "e", "f", "g", "h"]);
});

function sourceFiles(workspace: string): string[] {
  return ["src", "test", "bench", "bin"]
    .map((folder) => join(root, workspace, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)))
    .filter((file) => /\.[jt]s$/.test(file) && !file.endsWith(".generated.ts"))
    .map((file) => relative(root, file).replaceAll("\\", "/"));
}

function shippedImports(workspace: string): Import[] {
  const files = sourceFiles(workspace).filter((file) => file.includes("/src/") || file.includes("/bin/"));
  return files.filter((file) => !/\.(test|bench)\.[jt]s$/.test(file)).flatMap(importsOf);
}

function isNodeOnly(file: string): boolean {
  return nodeOnly.some((folder) => file.startsWith(folder));
}

function importsOf(file: string): Import[] {
  return specifiersOf(readFileSync(join(root, file), "utf8")).map((specifier) => ({ file, specifier }));
}

/** A scan by pattern, not a parser: enough for a formatted tree, and the compiler resolves the same names. */
function specifiersOf(source: string): string[] {
  const code = source.replace(/^\s*(\/\/|\*|\/\*).*$/gm, "");
  const pattern = /\bfrom\s*["']([^"'\n]+)["']|\bimport\s*\(?\s*["']([^"'\n]+)["']/g;
  return [...code.matchAll(pattern)].map((match) => (match[1] ?? match[2]) as string);
}

function targetOf({ file, specifier }: Import): string {
  return relative(root, resolve(root, dirname(file), specifier)).replaceAll("\\", "/");
}

function isOurs(specifier: string): boolean {
  return specifier.startsWith("@s7l/");
}

function packageOf(specifier: string): string {
  return specifier.split("/").slice(0, 2).join("/");
}

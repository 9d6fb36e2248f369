// Bundles the command, this repository's packages and everybody else's into dist: a command then loads a dozen files, where it loaded
// some hundred and fifty, and starts 100 ms sooner. Each verb is a chunk of its own. Licences of what is inside come along.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const here = join(import.meta.dirname, "..");
const dist = join(here, "dist");

rmSync(dist, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.ts"],
  outdir: dist,
  bundle: true,
  splitting: true,
  format: "esm",
  // Not "node": there `yaml` is CommonJS, which a module cannot hold.
  platform: "neutral",
  external: ["node:*"],
  target: "node20",
  conditions: ["@s7l/source"],
  sourcemap: true,
  sourcesContent: false,
  metafile: true,
  logLevel: "warning",
});

/** The folders of other people's packages that something came from. */
const packages = new Set(
  Object.keys(metafile.inputs).flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []),
);
const notices = [...packages].sort().map((path) => {
  const folder = join(here, path);
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const [file] = readdirSync(folder).filter((it) => /^licen[cs]e/i.test(it));
  if (file === undefined) throw new Error(`${name} has no licence to pass on`);
  return `${name} ${version}, ${license}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
});
writeFileSync(join(dist, "THIRD-PARTY-LICENSES.txt"), notices.join(`\n${"-".repeat(80)}\n\n`));

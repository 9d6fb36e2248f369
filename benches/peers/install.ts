/** Installs the peers into this folder at the first run: prebuilt binaries only, nothing compiled, nothing of graphics cards. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = import.meta.dirname;
/** node-llama-cpp's packages of binaries for the processor. */
const BINARIES: Readonly<Record<string, string>> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-x64": "mac-x64",
  "darwin-arm64": "mac-arm64-metal",
  "win32-x64": "win-x64",
  "win32-arm64": "win-arm64",
};

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Throws Error where a peer has no binaries for this host, or npm fails. */
export function installPeers(): void {
  const { dependencies }: Manifest = JSON.parse(readFileSync(join(FOLDER, "package.json"), "utf8"));
  const host = `${process.platform}-${process.arch}`;
  const binary = BINARIES[host];
  if (!binary) throw new Error(`node-llama-cpp has no prebuilt binaries for ${host}`);
  const wanted = { ...dependencies, [`@node-llama-cpp/${binary}`]: dependencies["node-llama-cpp"] ?? "" };
  if (Object.entries(wanted).every(([name, version]) => isInstalled(name, version))) return;
  // Optional dependencies are half a gigabyte for graphics cards; the one that is needed is named. Install scripts would compile.
  execFileSync(
    "npm",
    [
      "install",
      "--no-save",
      "--no-package-lock",
      "--ignore-scripts",
      "--omit=optional",
      "--no-audit",
      "--no-fund",
      ...Object.entries(wanted).map(([name, version]) => `${name}@${version}`),
    ],
    { cwd: FOLDER, stdio: "inherit", shell: process.platform === "win32" },
  );
}

function isInstalled(name: string, version: string): boolean {
  const manifest = join(FOLDER, "node_modules", name, "package.json");
  const exact = version.slice(version.lastIndexOf("@") + 1); // npm:name@1.2.3 is a package under another name
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).version === exact;
}

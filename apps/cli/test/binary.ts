/** The real command, as people run it. */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** What `node` runs. */
export const BINARY = fileURLToPath(new URL("../bin/s7l.js", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** What stands on stdin; nothing by default. */
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A stream that nobody reads: it is closed before anything is written. */
  readonly deaf?: "stdout" | "stderr";
  /** Sends SIGINT as soon as this folder holds a file with this ending. */
  readonly interruptWhen?: { readonly folder: string; readonly ending: string };
}

/** Runs `s7l` to its end. */
export function s7l(
  words: readonly string[],
  { input = "", cwd, env, deaf, interruptWhen }: RunOptions = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BINARY, ...words], { cwd, env: { ...process.env, ...env } });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    if (deaf) child[deaf].destroy();
    const watch =
      interruptWhen &&
      setInterval(() => {
        if (!readdirSync(interruptWhen.folder).some((name) => name.endsWith(interruptWhen.ending))) return;
        clearInterval(watch);
        child.kill("SIGINT");
      }, 2);
    child.on("error", reject).on("close", (code) => {
      clearInterval(watch);
      resolve({ code, stdout, stderr });
    });
    child.stdin.on("error", () => {}).end(input);
  });
}

/** The one object of `--json`. Throws where there is more, or none. */
export function objectOf({ stdout }: Outcome): Record<string, unknown> {
  const lines = stdout.split("\n");
  if (lines.length !== 2 || lines[1] !== "") throw new Error(`not one line: ${stdout}`);
  return JSON.parse(lines[0] ?? "");
}

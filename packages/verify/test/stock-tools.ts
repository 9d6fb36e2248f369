import { spawnSync } from "node:child_process";

/**
 * The tools that others verify with. A test that needs one skips where it is not installed; the environment may name another
 * place than PATH.
 */
export const MODEL_SIGNING = process.env.S7L_MODEL_SIGNING ?? "model_signing";
export const MINISIGN = process.env.S7L_MINISIGN ?? "minisign";

/** Runs a tool and gives its exit code, -1 where there is none, and what it said. */
export function runTool(
  tool: string,
  args: readonly string[],
  input = "",
): { readonly code: number; readonly said: string } {
  const { status, stdout, stderr } = spawnSync(tool, args, { input, encoding: "utf8" });
  return { code: status ?? -1, said: `${stdout ?? ""}${stderr ?? ""}` };
}

export const hasModelSigning = runTool(MODEL_SIGNING, ["--version"]).code === 0;
export const hasMinisign = runTool(MINISIGN, ["-v"]).code === 0;

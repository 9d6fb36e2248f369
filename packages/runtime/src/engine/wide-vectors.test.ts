import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

test("V8 is told on Node 24 and later on x64, where it knows the flag, and nothing is said anywhere", () => {
  const script = 'import { widenVectors } from "./src/engine/wide-vectors.ts"; console.log(widenVectors());';
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["--conditions=@s7l/source", "--import=tsx", "--input-type=module", "--eval", script],
    { cwd: `${import.meta.dirname}/../..`, encoding: "utf8" },
  );
  const knows = process.arch === "x64" && Number.parseInt(process.versions.node, 10) >= 24;
  expect({ stdout, stderr }).toEqual({ stdout: `${knows}\n`, stderr: "" });
});

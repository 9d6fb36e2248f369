/**
 * `s7l quantize` beside llama-quantize (llama.cpp, to Q8_0), by turns: two commands, each from its start to its end, on the same 996,836,352
 * parameters in F32, 4.0 GB. No package ships llama-quantize, so its path is given: LLAMA_QUANTIZE=PATH. Ours hashes what it reads and what it
 * writes and waits for the disk; llama-quantize does neither.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MIXTURE } from "../../packages/runtime/bench/shapes.ts";
import { makeGguf } from "./random-gguf.ts";
import { median } from "./statistics.ts";

const ROUNDS = 3;
const ROOT = join(import.meta.dirname, "../..");
const S7L = [process.execPath, join(ROOT, "apps/cli/bin/s7l.js")];

const peer = process.env.LLAMA_QUANTIZE;
if (peer) compare(peer);
else console.info("\nllama-quantize is left out: give its path as LLAMA_QUANTIZE");

function compare(llamaQuantize: string): void {
  const folder = mkdtempSync(join(tmpdir(), "s7l-quantize-"));
  try {
    const [gguf, checkpoint, out] = [join(folder, "in.gguf"), join(folder, "checkpoint"), join(folder, "out")];
    makeGguf(gguf, MIXTURE, "f32");
    const config = join(ROOT, "configs/mixtral-1b.json");
    seconds([...S7L, "init", config, "--out", checkpoint, "--seed", "1", "--dtype", "f32"], out);
    const bytes = statSync(join(checkpoint, "model.safetensors")).size;
    console.info(`\n${(bytes / 1e9).toFixed(2)} GB of F32, commands by turns, ${ROUNDS} rounds`);
    for (const threads of ["1", "2"]) {
      const turns = Array.from({ length: ROUNDS }, () => ({
        ours: seconds([...S7L, "quantize", "--checkpoint", checkpoint, "--out", out, "--threads", threads, "-q"], out),
        theirs: seconds([llamaQuantize, gguf, out, "Q8_0", threads], out),
      }));
      const rate = (times: readonly number[]): string => `${(bytes / 1e9 / median(times)).toFixed(2)} GB/s`;
      const ratios = turns.map(({ ours, theirs }) => theirs / ours);
      console.info(
        `${threads} thread${threads === "1" ? "" : "s"}: s7l quantize ${rate(turns.map(({ ours }) => ours))}, llama-quantize ${rate(turns.map(({ theirs }) => theirs))}: ` +
          `${median(ratios).toFixed(2)} x (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs a command to its end, then removes what it made. Throws Error where it fails. */
function seconds([command = "", ...args]: readonly string[], made: string): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(command, args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  const taken = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}: ${stderr}`);
  rmSync(made, { recursive: true, force: true });
  return taken;
}

import { tensorPlan, toHex } from "@s7l/format";
import { formatBytes, formatCount, formatSeconds } from "../quantity.ts";
import { interruptible, sealArtifact } from "../sealing.ts";
import { openQuantized, SAVE_EVERY, THREADS } from "../threads.ts";
import { defineVerb } from "../verb.ts";
import { verdictJson } from "../verdict-lines.ts";

export const build = defineVerb({
  summary: "a checkpoint to a sealed, verified artifact in one pass",
  examples: ["s7l build ./Llama-3.2-1B --out llama.s7l", "s7l build checkpoints/ --out moe.s7l"],
  positionals: {
    checkpoint: { description: "a Hugging Face folder, or one with trunk_final and expert*_final" },
  },
  flags: {
    out: {
      type: "text",
      short: "o",
      hint: "FILE",
      required: true,
      description: "the artifact; it appears when it is whole and verified",
    },
    threads: THREADS,
    "save-every": SAVE_EVERY,
  },
  async run({ args: { checkpoint: folder, out, threads: asked, "save-every": seconds }, report, progress, signal }) {
    const started = performance.now();
    const opened = await openQuantized(folder, asked);
    try {
      const { checkpoint, weights, concurrency } = opened;
      const sealed = await sealArtifact(interruptible(weights, signal), out, {
        report,
        progress,
        signal,
        check: true,
        step: "quantize and seal",
        concurrency,
        threads: asked,
        saveEvery: seconds === undefined ? undefined : 1000 * seconds,
        source: checkpoint.identity,
        assertUnchanged: checkpoint.assertUnchanged,
      });
      const root = toHex(sealed.root);
      const { family } = weights.report();
      // Not the report's: of a run that went on from an earlier one it has the later tensors alone.
      const tensors = tensorPlan(weights.fold).length;
      report.finish({
        json: {
          out,
          size: sealed.size,
          family,
          notes: sealed.notes,
          ...(sealed.verification ? verdictJson(sealed.verification) : { root }),
        },
        brief: root,
        lines: [
          `${out}: ${formatBytes(sealed.size)}, ${formatCount(tensors)} tensors of ${family}, sealed and verified (V0 to V7) in ${formatSeconds(performance.now() - started)}`,
          `root ${report.ink.bold(root)}`,
        ],
      });
      return 0;
    } finally {
      await opened.close();
    }
  },
});

import { availableParallelism } from "node:os";
import { tensorPlan, toHex } from "@s7l/format";
import { type Checkpoint, openCheckpoint, quantize, quantizeOnThreads } from "@s7l/quantize";
import { formatBytes, formatCount, formatSeconds } from "../quantity.ts";
import { interruptible, sealArtifact } from "../sealing.ts";
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
    threads: {
      type: "integer",
      min: 1,
      max: 256,
      hint: "N",
      description:
        "threads that quantize; the bytes are the same for any number (default: one a core, fewer for a small model)",
    },
  },
  async run({ args: { checkpoint: folder, out, threads: asked }, report, progress, signal }) {
    const started = performance.now();
    const checkpoint = await openCheckpoint(folder);
    const threads = asked ?? Math.min(availableParallelism(), Math.ceil(bytesOf(checkpoint) / WORTH_A_THREAD));
    const threaded = threads > 1 ? quantizeOnThreads(checkpoint, folder, threads) : undefined;
    try {
      const weights = threaded ?? quantize(checkpoint);
      const sealed = await sealArtifact(interruptible(weights, signal), out, {
        report,
        progress,
        signal,
        check: true,
        step: "quantize and seal",
        concurrency: threads > 1 ? threads + 1 : 1,
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
      await threaded?.close();
      await checkpoint.close();
    }
  },
});

/** Bytes of weights that take longer to quantize than a thread takes to start. */
const WORTH_A_THREAD = 128 * 2 ** 20;

const bytesOf = ({ tensors }: Checkpoint): number => [...tensors.values()].reduce((sum, { length }) => sum + length, 0);

import { join } from "node:path";
import { writeWeights } from "@s7l/format/file";
import { openCheckpoint, quantize as quantizeCheckpoint, type Report } from "@s7l/quantize";
import { withFolder } from "../folder.ts";
import { formatCount, formatSeconds } from "../quantity.ts";
import { watched } from "../sealing.ts";
import { defineVerb } from "../verb.ts";

export const quantize = defineVerb({
  summary: "a checkpoint to INT8 weights, in a folder that `s7l pack` takes",
  examples: [
    "s7l quantize --checkpoint checkpoints/trunk_final/ --experts checkpoints/expert{0,1,2,3}_final/ --out model/weights/",
    "s7l quantize --checkpoint ./Llama-3.2-1B --out weights",
  ],
  positionals: {},
  flags: {
    checkpoint: { type: "text", hint: "DIR", required: true, description: "folder of a checkpoint, or of an S7 trunk" },
    experts: { type: "list", hint: "DIR", description: "folders of an S7's experts" },
    out: {
      type: "text",
      short: "o",
      hint: "DIR",
      required: true,
      description: "folder for the weights; made where it is missing",
    },
    method: { type: "text", options: ["per_row_int8"], description: "symmetric INT8, one scale a row (the default)" },
  },
  async run({ args: { checkpoint: trunk, experts, out }, report, progress, signal }) {
    const started = performance.now();
    const checkpoint = await openCheckpoint(experts.length > 0 ? { trunk, experts } : trunk);
    try {
      const weights = quantizeCheckpoint(checkpoint);
      await withFolder(out, async () => {
        await writeWeights(out, watched(weights, "quantize", { progress, signal }), { report: weights.report });
        await checkpoint.assertUnchanged();
      });
      const result = weights.report();
      report.finish({
        json: { out, ...result },
        brief: out,
        lines: [
          ...tensorLines(result),
          "",
          `${formatCount(result.tensors.length)} tensors of ${result.family} in ${out} after ${formatSeconds(performance.now() - started)}`,
          report.ink.dim(
            `all of them in ${join(out, "report.json")}; next: s7l pack --weights-dir ${out} --out model.s7l`,
          ),
        ],
      });
      return 0;
    } finally {
      await checkpoint.close();
    }
  },
});

/** Lines of a table that fits a screen. */
const SHOWN = 12;

/** The tensors that lost most, by their root mean square error. */
export function tensorLines({ tensors }: Report): readonly string[] {
  const lossy = tensors.filter(({ rows }) => rows > 0).sort((a, b) => b.rmsError - a.rmsError);
  const shown = lossy.slice(0, SHOWN);
  const widest = Math.max(6, ...shown.map(({ name }) => name.length));
  return [
    `${"tensor".padEnd(widest)}  ${"rows".padStart(8)}  ${"max error".padStart(10)}  ${"rms error".padStart(10)}  outlier rows`,
    ...shown.map(
      ({ name, rows, maxError, rmsError, outlierRows }) =>
        `${name.padEnd(widest)}  ${formatCount(rows).padStart(8)}  ${maxError.toExponential(2).padStart(10)}  ${rmsError.toExponential(2).padStart(10)}  ${outlierRows}`,
    ),
    ...(lossy.length > shown.length ? [`… and ${formatCount(lossy.length - shown.length)} with smaller errors`] : []),
  ];
}

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { writeWeights } from "@s7l/format/file";
import { type Report, readTensorReport } from "@s7l/quantize";
import { withFolder } from "../folder.ts";
import { formatCount, formatSeconds } from "../quantity.ts";
import { openQuantized, SAVE_EVERY, THREADS } from "../threads.ts";
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
    threads: THREADS,
    "save-every": SAVE_EVERY,
    method: { type: "text", options: ["per_row_int8"], description: "symmetric INT8, one scale a row (the default)" },
  },
  async run({
    args: { checkpoint: trunk, experts, out, threads: asked, "save-every": seconds },
    report,
    progress,
    signal,
  }) {
    const started = performance.now();
    const opened = await openQuantized(experts.length > 0 ? { trunk, experts } : trunk, asked);
    try {
      const { checkpoint, weights, concurrency } = opened;
      const reportOf = (tensors: readonly unknown[]): Report => ({
        family: weights.report().family,
        tensors: tensors.flatMap((line) => readTensorReport(line) ?? []),
      });
      const { notes, resumed } = await withFolder(out, () =>
        writeWeights(out, weights, {
          source: checkpoint.identity,
          concurrency,
          ...(seconds === undefined ? {} : { saveEvery: 1000 * seconds }),
          signal,
          onProgress: (done, total) => progress.show("quantize", done, total),
          note: weights.tensorReport,
          report: reportOf,
          accept: checkpoint.assertUnchanged,
        }),
      );
      progress.clear();
      const result = reportOf(notes);
      const kept = resumed > 0 ? `, ${formatCount(resumed)} of them by an earlier run,` : "";
      report.finish({
        json: { out, ...result },
        brief: out,
        lines: [
          ...tensorLines(result),
          "",
          `${formatCount(result.tensors.length)} tensors of ${result.family}${kept} in ${out} after ${formatSeconds(performance.now() - started)}`,
          report.ink.dim(
            `all of them in ${join(out, "report.json")}; next: s7l pack --weights-dir ${out} --out model.s7l`,
          ),
        ],
      });
      return 0;
    } catch (error) {
      progress.clear();
      if (await hasUnfinished(out))
        report.note(`what is finished lies in ${out}, under a name with a dot; the same command goes on from there`);
      throw error;
    } finally {
      progress.clear();
      await opened.close();
    }
  },
});

async function hasUnfinished(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  return names.some((name) => name.startsWith(".weights-"));
}

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

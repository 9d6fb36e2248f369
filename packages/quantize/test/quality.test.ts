/**
 * What rounding the weights costs by itself: the sealed integers, run in float64, against the published float32 losses. The
 * integer runtime adds its own rounding to this.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openCheckpoint } from "../src/checkpoint/checkpoint.ts";
import { quantize } from "../src/quantize.ts";
import { dequantized } from "./float-tensors.ts";
import { runFold } from "./fold-float.ts";
import { meanLoss } from "./mean-loss.ts";

/** Half a minute of float64, and the bound is on the mean over all sequences: `npm run test:whole`. */
const whole = process.env.S7L_WHOLE !== undefined;
const models = fileURLToPath(new URL("../../../../shared/models", import.meta.url));

describe.skipIf(!whole || !existsSync(models))("weights of eight bits", { timeout: 300_000 }, () => {
  test.each(["stories260k-llama", "stories260k-mixtral"])(
    "%s: the mean loss stays within 0.5 % of the reference",
    async (name) => {
      const folder = join(models, name);
      const sequences: readonly (readonly number[])[] = JSON.parse(readFileSync(join(folder, "eval.ids.json"), "utf8"));
      const reference = new Float32Array(new Uint8Array(readFileSync(join(folder, "eval.logits.f32"))).buffer);
      const checkpoint = await openCheckpoint(folder);
      const weights = quantize(checkpoint);
      const tensors = await dequantized(weights);
      await checkpoint.close();
      const { vocab } = weights.fold;
      const row = (i: number) => Float64Array.from(reference.subarray(i * vocab, (i + 1) * vocab));
      let [sealed, exact, start] = [0, 0, 0];
      for (const ids of sequences) {
        sealed += meanLoss(runFold(weights.fold, tensors, ids), ids);
        exact += meanLoss(
          ids.map((_, i) => row(start + i)),
          ids,
        );
        start += ids.length;
      }
      if (process.env.S7L_SHOW)
        console.log(name, sealed / sequences.length, exact / sequences.length, sealed / exact - 1);
      expect(Math.abs(sealed / exact - 1)).toBeLessThan(0.005);
    },
  );
});

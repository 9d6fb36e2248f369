/**
 * Every reference case, lowered and run in float64 on its unquantized tensors, against the logits of the original's own code. A
 * wrong name, slice, transposition, scale or rule shows here as a difference far above rounding.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tensorPlan } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { openCheckpoint } from "../src/checkpoint/checkpoint.ts";
import { lowerCheckpoint } from "../src/lower.ts";
import { unquantized } from "./float-tensors.ts";
import { runFold } from "./fold-float.ts";
import { routesOf } from "./lexical-route.ts";
import { meanLoss } from "./mean-loss.ts";

const shared = fileURLToPath(new URL("../../../../shared", import.meta.url));
const root = join(shared, "reference");
const models = join(shared, "models");
const available = existsSync(root);
const cases = available ? readdirSync(root).filter((name) => name !== "README.md" && name !== "s7-int8") : [];

interface Routed {
  readonly layer: number;
  readonly positions: readonly number[];
  readonly experts: readonly (readonly number[])[];
}
interface Prompt {
  readonly ids: readonly number[];
  readonly router?: readonly Routed[];
}
interface Reference {
  readonly prompts: readonly Prompt[];
  readonly seq256: readonly number[];
  readonly vocab_size: number;
}

const floats = (path: string): Float32Array => new Float32Array(new Uint8Array(readFileSync(path)).buffer);

/** What each token decodes to, by a vocab.json. */
function piecesOf(folder: string, ids: readonly number[]): readonly string[] {
  const vocab: Readonly<Record<string, number>> = JSON.parse(readFileSync(join(folder, "vocab.json"), "utf8"));
  const texts = new Map(Object.entries(vocab).map(([text, id]) => [id, text]));
  return ids.map((id) => texts.get(id) ?? "");
}

function largestDifference(logits: Float64Array | undefined, expected: Float32Array): number {
  if (!logits) throw new Error("no logits");
  return logits.reduce((max, value, i) => Math.max(max, Math.abs(value - (expected[i] ?? Number.NaN))), 0);
}

/** Positions of a long case, beyond each window (16 and 32); all in `npm run test:whole`. */
const POSITIONS = process.env.S7L_WHOLE ? 256 : 96;

/** These are whole models in plain float64: seconds of work, more on a busy machine. */
const timeout = 300_000;

describe.skipIf(!available)("the reference cases", { timeout }, () => {
  test.each(cases)("%s: the fold means what the original computes", async (name) => {
    const folder = join(root, name);
    const reference: Reference = JSON.parse(readFileSync(join(folder, "reference.json"), "utf8"));
    const checkpoint = await openCheckpoint(folder);
    try {
      const lowered = lowerCheckpoint(checkpoint);
      expect(lowered.tensors.map(({ tensor }) => tensor)).toEqual(tensorPlan(lowered.fold));
      const tensors = await unquantized(lowered, checkpoint);
      const vocab = reference.vocab_size;
      const worst: number[] = [];
      const every = join(folder, "logits256.f32.bin");
      if (existsSync(every)) {
        const expected = floats(every);
        for (const [i, logits] of runFold(lowered.fold, tensors, reference.seq256.slice(0, POSITIONS)).entries())
          worst.push(largestDifference(logits, expected.subarray(i * vocab, (i + 1) * vocab)));
      } else {
        const nodrop = join(folder, "logits_nodrop.f32.bin");
        const expected = floats(existsSync(nodrop) ? nodrop : join(folder, "logits.f32.bin"));
        for (const [i, { ids, router }] of reference.prompts.entries()) {
          const routes = lowered.lexical ? routesOf(lowered.lexical, piecesOf(folder, ids)) : [];
          const known = lowered.lexical
            ? (router?.find(({ layer }) => layer === -1) ?? { positions: [], experts: [] })
            : { positions: [], experts: [] };
          expect(known.positions.map((position) => [routes[position]])).toEqual(known.experts);
          const logits = runFold(lowered.fold, tensors, ids, routes);
          worst.push(largestDifference(logits.at(-1), expected.subarray(i * vocab, (i + 1) * vocab)));
        }
      }
      if (process.env.S7L_SHOW) console.log(name, Math.max(...worst).toExponential(2));
      expect(worst.length).toBeGreaterThan(0);
      expect(Math.max(...worst)).toBeLessThan(1e-3);
    } finally {
      await checkpoint.close();
    }
  });
});

describe.skipIf(!existsSync(models))("the real models", { timeout }, () => {
  test.each(["stories260k-llama", "stories260k-mixtral"])(
    "%s: the fold means what the original computes",
    async (name) => {
      const folder = join(models, name);
      const ids: readonly (readonly number[])[] = JSON.parse(readFileSync(join(folder, "eval.ids.json"), "utf8"));
      const expected = floats(join(folder, "eval.logits.f32"));
      const checkpoint = await openCheckpoint(folder);
      const lowered = lowerCheckpoint(checkpoint);
      const tensors = await unquantized(lowered, checkpoint);
      await checkpoint.close();
      const { vocab } = lowered.fold;
      const logits = runFold(lowered.fold, tensors, (ids[0] ?? []).slice(0, 128));
      const worst = logits.map((row, i) => largestDifference(row, expected.subarray(i * vocab, (i + 1) * vocab)));
      expect(worst).toHaveLength(128);
      expect(Math.max(...worst)).toBeLessThan(1e-3);
    },
  );

  test("s7-mini: the fold means what its trainer computed, with the routes that were published", async () => {
    const folder = join(models, "s7-mini");
    const { greedy }: { readonly greedy: readonly S7Prompt[] } = JSON.parse(
      readFileSync(join(folder, "reference.json"), "utf8"),
    );
    const checkpoint = await openCheckpoint(join(folder, "checkpoints"));
    const lowered = lowerCheckpoint(checkpoint);
    const tensors = await unquantized(lowered, checkpoint);
    await checkpoint.close();
    for (const { ids, routes, top16_ids, top16_logits } of greedy) {
      const logits = runFold(lowered.fold, tensors, ids, routes).at(-1) ?? new Float64Array();
      const worst = top16_ids.map((id, i) => Math.abs((logits[id] ?? Number.NaN) - (top16_logits[i] ?? Number.NaN)));
      expect(Math.max(...worst)).toBeLessThan(1e-3);
    }
    const texts: readonly S7Text[] = JSON.parse(readFileSync(join(folder, "eval", "reason.json"), "utf8"));
    for (const { ids, routes, nll_f32 } of texts.slice(0, 3)) {
      const logits = runFold(lowered.fold, tensors, ids, [...routes].map(Number));
      expect(meanLoss(logits, ids)).toBeCloseTo(nll_f32, 4);
    }
  });
});

interface S7Prompt {
  readonly ids: readonly number[];
  readonly routes: readonly number[];
  readonly top16_ids: readonly number[];
  readonly top16_logits: readonly number[];
}

interface S7Text {
  readonly ids: readonly number[];
  /** A digit a position. */
  readonly routes: string;
  readonly nll_f32: number;
}

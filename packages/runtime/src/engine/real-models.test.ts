import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { concatBytes, tensorPlan } from "@s7l/format";
import { openCheckpoint, quantize } from "@s7l/quantize";
import { describe, expect, test } from "vitest";
import { describeEngines } from "../../test/engines.ts";
import { readJson, s7MiniPath, sharedPath } from "../../test/reference.ts";
import { createInterpreter } from "../reference/interpreter.ts";
import { readFoldWeights } from "../reference/weights.ts";
import type { TensorReader } from "./tensors.ts";
import { createWasmEngine } from "./wasm-engine.ts";

/** Held-out sequences a model, and positions of a text; more in `npm run test:whole`, as the interpreter takes seconds for each. */
const [SEQUENCES, POSITIONS] = process.env.S7L_WHOLE ? [3, 96] : [1, 48];

/** Quantized tensors of a checkpoint, held. */
async function weightsOf(path: Parameters<typeof openCheckpoint>[0]): Promise<TensorReader> {
  const checkpoint = await openCheckpoint(path);
  const weights = quantize(checkpoint);
  const spans = new Map<string, Uint8Array>();
  for (const tensor of tensorPlan(weights.fold)) {
    const pieces: Uint8Array[] = [];
    for await (const piece of weights.span(tensor)) pieces.push(piece.slice());
    spans.set(tensor.name, concatBytes(...pieces));
  }
  await checkpoint.close();
  return { fold: weights.fold, read: async (name) => spans.get(name) ?? new Uint8Array() };
}

async function compare(
  name: "simd" | "relaxed",
  source: TensorReader,
  ids: readonly number[],
  experts: readonly number[],
): Promise<void> {
  const interpreter = createInterpreter(await readFoldWeights(source.fold, (tensor) => source.read(tensor)));
  const expected = await interpreter.open().forward(ids, experts, "all");
  const engine = await createWasmEngine(source, { engine: name });
  for (const chunk of [1, 7, 64, ids.length]) {
    const sequence = engine.open();
    for (let at = 0; at < ids.length; at += chunk) {
      const actual = await sequence.forward(ids.slice(at, at + chunk), experts.slice(at, at + chunk), "all");
      const { vocab } = expected;
      expect(actual.exponents).toEqual(expected.exponents.slice(at, at + chunk));
      // Typed arrays of this size are compared as bytes: a matcher would take seconds.
      const part = expected.mantissas.slice(at * vocab, (at + chunk) * vocab);
      expect(Buffer.compare(Buffer.from(actual.mantissas.buffer), Buffer.from(part.buffer))).toBe(0);
    }
  }
}

describeEngines("equals the interpreter", (engine) => {
  const folder = join(s7MiniPath ?? "", "checkpoints");
  test.skipIf(!s7MiniPath).each(["code", "general", "math", "reason"])(
    "on s7-mini and a held-out text of %s",
    async (domain) => {
      const experts = readdirSync(folder).filter((name) => name.startsWith("expert"));
      const source = await weightsOf({
        trunk: join(folder, "trunk_final"),
        experts: experts.sort().map((name) => join(folder, name)),
      });
      const texts = readJson<
        readonly { ids: number[]; routes: string }[] | { texts: { ids: number[]; routes: string }[] }
      >(join(s7MiniPath ?? "", `eval/${domain}.json`));
      const [text] = "texts" in texts ? texts.texts : texts;
      expect(text).toBeDefined();
      const routes = [...(text?.routes ?? "")].map(Number);
      await compare(engine, source, text?.ids.slice(0, POSITIONS) ?? [], routes.slice(0, POSITIONS));
    },
  );

  describe.each(["stories260k-llama", "stories260k-mixtral"])("on %s", (name) => {
    const folder = sharedPath(`models/${name}`);
    test.skipIf(!existsSync(folder))("and held-out sequences", async () => {
      const source = await weightsOf(folder);
      const read = readJson<readonly number[][] | { sequences: number[][] }>(join(folder, "eval.ids.json"));
      const sequences = "sequences" in read ? read.sequences : read;
      for (const ids of sequences.slice(0, SEQUENCES)) await compare(engine, source, ids, []);
    });
  });
});

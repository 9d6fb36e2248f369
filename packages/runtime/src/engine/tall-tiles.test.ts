/** What an engine does where vectors are wide, on a host where they need not be: taller tiles are another order of work and no other bits. */
import { describe, expect, test, vi } from "vitest";
import { describeEngines } from "../../test/engines.ts";
import { Dice, randomModel, type Wish } from "../../test/random-model.ts";
import { createInterpreter } from "../reference/interpreter.ts";
import { readFoldWeights } from "../reference/weights.ts";
import { createWasmEngine } from "./wasm-engine.ts";

vi.mock("./wide-vectors.ts", () => ({ isWide: () => true }));

/** More than a group of eight tokens, and of rows more than whole tiles: 405 are twelve of 32 and 21. */
const TOKENS = 27;
const WISHES: readonly (readonly [string, Wish])[] = [
  ["gates", { width: 405, project: "qkv", ffn: "gated" }],
  ["experts", { width: 405, project: "mla", ffn: "experts" }],
  ["routed experts", { width: 405, routed: true }],
];

describeEngines("tall tiles give the interpreter's bits", (engine) => {
  describe.each(WISHES)("with %s", (_, wish) => {
    test.each([1, 2, 3])("on %i threads", async (threads) => {
      const model = randomModel(3, wish);
      const dice = new Dice(threads);
      const ids = Array.from({ length: TOKENS }, () => dice.between(0, model.fold.vocab - 1));
      const experts = ids.map((id) => (wish.routed ? id % 2 : 0));
      const interpreter = createInterpreter(await readFoldWeights(model.fold, model.read));
      const tall = await createWasmEngine(model, { engine, threads });
      expect(await tall.open().forward(ids, experts, "all")).toEqual(
        await interpreter.open().forward(ids, experts, "all"),
      );
      tall.close?.();
    });
  });
});

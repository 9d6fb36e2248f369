import { describe, expect, test } from "vitest";
import { shippedConfig } from "../../test/shrunk-configs.ts";
import { lowerConfig } from "../lower.ts";
import { compareFigures, parsePrinted } from "./compare.ts";
import { planModel } from "./plan.ts";
import { PUBLISHED, publishedOf } from "./published.ts";

describe("parsePrinted", () => {
  test.each([
    ["18.9M", 18.85e6, 18.9e6, 18.95e6],
    ["~28M", 27.5e6, 28e6, 28.5e6],
    ["≈3.1MB", 3.05e6, 3.1e6, 3.15e6],
    ["~6.02B", 6.02e9 * 0.99, 6.02e9, 6.02e9 * 1.01],
    ["180-220B", 180e9, 180e9, 220e9],
    ["<0.1M", 0, 0.1e6, 0.1e6],
    ["12,000", 12000, 12000, 12000],
    ["~33%", 0.325, 0.33, 0.335],
    ["1.28TB", 1.275e12, 1.28e12, 1.285e12],
  ])("%s is from %d, saying %d, to %d", (text, low, stated, high) => {
    const [reading, ...others] = parsePrinted(text);
    expect(others).toEqual([]);
    expect(reading?.low).toBeCloseTo(low, 5);
    expect(reading?.stated).toBeCloseTo(stated, 5);
    expect(reading?.high).toBeCloseTo(high, 5);
  });

  test("reads KB as 1000 and as 1024 bytes, but not as what lies between", () => {
    expect(parsePrinted("3136KB").map(({ stated }) => stated)).toEqual([3_136_000, 3_211_264]);
  });

  test.each(["", "M", "about 3", "3 M", "3XB"])("%j is no figure", (text) => {
    expect(() => parsePrinted(text)).toThrow(RangeError);
  });

  test("reads every figure of the seeds", () => {
    for (const { figures } of PUBLISHED) for (const { published } of figures) parsePrinted(published);
  });
});

const known = new Map<string, ReadonlyMap<string, boolean>>();

/** The verdicts of one model, by figure. */
function verdicts(name: string): ReadonlyMap<string, boolean> {
  const config = shippedConfig(name);
  const published = publishedOf(config.values);
  if (!published) throw new Error(`no figures of ${name}`);
  const found =
    known.get(name) ??
    new Map(
      compareFigures(planModel(lowerConfig(config)), published).map((it) => [
        `${it.section} ${it.what} ${it.published}`,
        it.agrees,
      ]),
    );
  known.set(name, found);
  return found;
}

describe("compareFigures", () => {
  test.each([
    ["vpmoe", "Parameter Budget total parameters ~6.02B", true],
    ["vpmoe", "Parameter Budget active parameters ~780.0M", true],
    ["vpmoe", "Parameter Budget active parameters without embeddings ~368.2M", true],
    ["german-moe-gpt-v8", "Model Specifications total parameters 149.6M", false],
    ["german-moe-gpt-v8-149m", "Model Specifications total parameters 149.6M", true],
    ["german-moe-gpt-v8-149m", "Model Specifications active parameters a token ~49.9M", false],
    ["s7-140m-original", "§2 embedding 18.9M", true],
    ["s7-140m-original", "§2 trunk layers (×6) ~2M", false],
    ["s7-140m-original", "§2 one expert ~28M", false],
    ["s7-140m-original", "§8 ffn.fc1.weight, bytes 1024KB", true],
    ["s7-140m-original", "§8 one expert layer 3136KB", false],
    ["s7-140m-original", "§8 one expert layer ≈3.1MB", true],
    ["s7-140m-original", "§8 grand total (INT8, padded) ~141MB", false],
    ["oracle850b", "Model Specifications total parameters 850B", false],
    ["oracle850b", "Model Specifications active parameters a token 180-220B", true],
    ["mixtral-1b", "Mixtral-1B total parameters ~1B", undefined],
    ["mixtral-1b", "Mixtral-1B-MoE total parameters ~1B", true],
  ])("%s: %s follows from the shapes: %s", (name, figure, agrees) => {
    expect(verdicts(name).get(figure)).toBe(agrees);
  });

  test("says by how much a figure is off", () => {
    const plan = planModel(lowerConfig(shippedConfig("s7-140m-original")));
    const trunk = compareFigures(plan, PUBLISHED.find(({ name }) => name === "s7-140m") ?? fail()).find(({ what }) =>
      what.startsWith("trunk layers (×6)"),
    );
    expect(trunk).toMatchObject({ ours: 42_467_328, published: "~2M" });
    expect(trunk?.difference).toBeCloseTo(20.23, 2);
  });
});

function fail(): never {
  throw new Error("no figures");
}

test.each([
  [{ published: "vpmoe", model_type: "other" }, "vpmoe"],
  [{ model_type: "s7_llm_moe" }, "s7-140m"],
  [{ model_type: "mixtral" }, undefined],
  [{ model_type: "oracle_moe", published: null }, undefined],
])("the figures of %j are those of %s", (values, name) => {
  expect(publishedOf(values)?.name).toBe(name);
});

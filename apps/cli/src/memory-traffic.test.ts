import { tinyFold } from "@s7l/fixtures";
import { type Fold, spanLayout, tensorPlan } from "@s7l/format";
import { expect, test } from "vitest";
import { bytesPerToken, readSpeed } from "./memory-traffic.ts";

/** Sealed bytes of a fold's tensors of some component. */
const bytesOf = (fold: Fold, wants: (component: string) => boolean): number =>
  tensorPlan(fold)
    .filter(({ component }) => wants(component))
    .reduce((sum, tensor) => sum + spanLayout(tensor).size, 0);

test("a token reads every weight of a model whose table is its head", () => {
  const fold = tinyFold("speck");
  expect(bytesPerToken(fold)).toBe(bytesOf(fold, () => true));
});

test("a token reads one row of a table that is not the head", () => {
  const fold = tinyFold("dense");
  const table = bytesOf(fold, (component) => component === "embedding");
  expect(bytesPerToken(fold)).toBeCloseTo(bytesOf(fold, (component) => component !== "embedding") + table / 40);
});

test("a token reads the chosen experts alone", () => {
  const fold = tinyFold("experts");
  const experts = bytesOf(fold, (component) => component.startsWith("expert"));
  const table = bytesOf(fold, (component) => component === "embedding");
  const rest = bytesOf(fold, (component) => !component.startsWith("expert") && component !== "embedding");
  const row = fold.head.kind === "tied" ? table : table / fold.vocab;
  expect(bytesPerToken(fold)).toBeCloseTo(rest + row + (experts * 2) / 12);
});

test("a routed token reads one whole expert", () => {
  const fold = tinyFold("routed");
  const experts = [...new Set(tensorPlan(fold).map(({ component }) => component))].filter((name) =>
    /^expert/.test(name),
  );
  const all = bytesOf(fold, (component) => component.startsWith("expert"));
  const table = bytesOf(fold, (component) => component === "embedding");
  const rest = bytesOf(fold, (component) => !component.startsWith("expert") && component !== "embedding");
  const row = fold.head.kind === "tied" ? table : table / fold.vocab;
  expect(bytesPerToken(fold)).toBeCloseTo(rest + row + all / experts.length);
});

test("memory is read at some speed", () => {
  expect(readSpeed()).toBeGreaterThan(1e7);
});

import { describe, expect, test } from "vitest";
import { A100, trainingBudget } from "./training.ts";

describe("trainingBudget", () => {
  test("is 6 · N · D, over what the GPUs achieve", () => {
    const budget = trainingBudget({ trained: 1e9 }, 20e9, { tflops: 100, utilisation: 0.5, gpus: 10, hourPrice: 3 });
    expect(budget.flops).toBe(1.2e20);
    expect(budget.gpuHours).toBeCloseTo(1.2e20 / 5e13 / 3600, 9);
    expect(budget.wallHours).toBeCloseTo(budget.gpuHours / 10, 9);
    expect(budget.cost).toBeCloseTo(budget.gpuHours * 3, 9);
  });

  test("charges frozen parameters for their forward pass, and for the gradient that passes them", () => {
    expect(trainingBudget({ trained: 5, before: 7, after: 11 }, 1, A100).flops).toBe(6 * 5 + 2 * 7 + 4 * 11);
  });
});

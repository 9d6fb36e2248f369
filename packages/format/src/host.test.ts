import { afterEach, describe, expect, test, vi } from "vitest";
import { builtin } from "./host.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("what a host has built in", () => {
  test("is found by its name", () => {
    expect(builtin("node:crypto")).toHaveProperty("createHash");
    expect(builtin("node:nothing-of-the-sort")).toBeUndefined();
  });

  test.each([
    ["no process at all", undefined],
    ["a process of somebody else's making", {}],
  ])("is nothing where there is %s", (_, process) => {
    vi.stubGlobal("process", process);
    expect(builtin("node:crypto")).toBeUndefined();
  });
});

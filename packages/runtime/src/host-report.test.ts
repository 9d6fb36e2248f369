import { afterEach, expect, test, vi } from "vitest";
import { bestEngine, hasExactRelaxed } from "./engine/host.ts";
import { widenVectors } from "./engine/wide-vectors.ts";
import { describeHost } from "./host-report.ts";

afterEach(() => vi.unstubAllGlobals());

test("a host's report says what its engines say", async () => {
  const report = await describeHost();
  expect(report.auto.engine).toBe(await bestEngine());
  expect(report.relaxed.exact).toBe(await hasExactRelaxed());
  expect(report.relaxed.faster).toBe(report.auto.engine === "relaxed");
  expect(report.wide).toBe(widenVectors());
  expect(report.sha256.source).toBe("node:crypto");
  expect(report.sha256.speed).toBeGreaterThan(1e6);
  expect(report.memory).toBeGreaterThanOrEqual(1 << 16);
  expect(report.memory).toBeLessThanOrEqual(2 ** 32);
  expect(report.auto.threads).toBeLessThanOrEqual(report.cores);
});

test("a host whose threads share no memory has one thread an engine", async () => {
  vi.stubGlobal("crossOriginIsolated", false);
  expect(await describeHost()).toMatchObject({ sharedMemory: false, auto: { threads: 1 } });
});
